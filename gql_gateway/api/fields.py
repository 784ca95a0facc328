"""How fields are declared: with a description, typed (Strawberry's decorators are not), and with what they need.

A field that is merely read is declared with `read`: nothing is copied where nobody asks, the executor reads it without
ceremony (api/execution.py), and of a row only the columns are fetched that an operation may need (`columns_of`).
"""

from collections.abc import Callable, Iterator
from functools import cache
from operator import attrgetter
from typing import Any

import strawberry
from graphql import FieldNode, FragmentDefinitionNode, FragmentSpreadNode, SelectionSetNode
from strawberry.types.base import get_object_definition
from strawberry.utils.str_converters import to_camel_case

from gql_gateway.api.context import Info
from gql_gateway.api.selections import ByNode

Resolver = Callable[..., Any]

READ = "read"
"""Where a field's metadata has what reads it from its object."""
_COLUMNS = "columns"
_ROW = "row."


def resolved(description: str, *columns: str) -> Callable[[Resolver], Any]:
    """Declare the field that a method computes, with the columns of the object's row that it needs."""
    declare: Callable[[Resolver], Any] = strawberry.field(description=description, metadata={_COLUMNS: columns})
    return declare


def followed(description: str) -> Callable[[Resolver], Any]:
    """Declare the subscription that an async generator feeds."""
    declare: Callable[[Resolver], Any] = strawberry.subscription(description=description)
    return declare


def read(paths: str | tuple[str, ...], description: str, convert: Callable[..., Any] | None = None) -> Any:
    """Declare a field that is read at a path from its object, such as `row.name`.

    `convert` makes its value of what is there, of several paths of all of them. It neither waits nor asks anybody.
    """
    every = (paths,) if isinstance(paths, str) else paths
    reader = _reader(every, convert)

    def resolve(root: object):  # type: ignore[no-untyped-def]  # noqa: ANN202 - the field's own annotation is its type
        return reader(root)

    columns = tuple(path.removeprefix(_ROW) for path in every if path.startswith(_ROW))
    return strawberry.field(resolver=resolve, description=description, metadata={READ: reader, _COLUMNS: columns})


def _reader(paths: tuple[str, ...], convert: Callable[..., Any] | None) -> Callable[[Any], Any]:
    get = attrgetter(*paths)
    if convert is None:
        return get
    if len(paths) == 1:
        return lambda source: convert(get(source))
    return lambda source: convert(*get(source))


def columns_of(type_: type, info: Info) -> frozenset[str]:
    """Columns of a type's rows that the fields below this one may need.

    A field counts wherever its name stands: little is fetched for nothing, and nothing that is needed is missing.
    """
    raw = info._raw_info  # noqa: SLF001 - Strawberry's own way to the selection takes ten times as long
    found: set[str] = set()
    for node in raw.field_nodes:
        known, columns = _COLUMNS_BELOW.get(node) or (None, frozenset())
        if known is not type_:
            columns = _columns_below(type_, node, raw.fragments)
            _COLUMNS_BELOW.put(node, (type_, columns))
        found |= columns
    return frozenset(found)


_COLUMNS_BELOW: ByNode[tuple[type, frozenset[str]]] = ByNode()


def _columns_below(type_: type, node: FieldNode, fragments: dict[str, FragmentDefinitionNode]) -> frozenset[str]:
    needs = _needs(type_)
    return frozenset().union(*(needs.get(name, ()) for name in _names(node.selection_set, fragments, set())))


@cache
def _needs(type_: type) -> dict[str, frozenset[str]]:
    """The columns that each field of a type needs, by its name in GraphQL."""
    definition = get_object_definition(type_, strict=True)
    return {
        field.graphql_name or to_camel_case(field.python_name): frozenset(field.metadata.get(_COLUMNS, ()))
        for field in definition.fields
    }


def _names(
    selections: SelectionSetNode | None, fragments: dict[str, FragmentDefinitionNode], seen: set[str]
) -> Iterator[str]:
    """Names of all fields in a selection, however deep, each fragment once."""
    for node in selections.selections if selections else ():
        if isinstance(node, FragmentSpreadNode):
            name = node.name.value
            if name not in seen:
                seen.add(name)
                yield from _names(fragments[name].selection_set, fragments, seen)
            continue
        if isinstance(node, FieldNode):
            yield node.name.value
        yield from _names(node.selection_set, fragments, seen)  # type: ignore[attr-defined]
