"""Executes plain fields without ceremony: a list's answer is mostly attributes that need no resolver.

graphql-core (3.3.2) makes a path, a resolve info and a chain of five calls for each of them, and of six more for each
object of a list. Here a scalar or an enum that is an attribute, or is declared with `read` (api/fields.py), is read and
coerced at once, in a loop that was planned once for all objects of a list. What is not as plain as that (arguments,
resolvers, objects, null where none may be, exceptions, awaitables, values that their type does not take) goes the
normal way, together with the whole object it stands in, so that answers and errors are the same to the letter
(tests/api/test_execution.py).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import lru_cache
from inspect import isawaitable
from itertools import repeat
from operator import attrgetter
from types import NoneType
from typing import Any, NamedTuple

from graphql import (
    GRAPHQL_MAX_INT,
    GRAPHQL_MIN_INT,
    GraphQLEnumType,
    GraphQLObjectType,
    GraphQLSchema,
    Undefined,
    is_leaf_type,
    is_non_null_type,
    is_object_type,
)
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.schema.schema_converter import GraphQLCoreConverter

from gql_gateway.api.fields import READ
from gql_gateway.api.selections import Selections

_NEVER_AWAITABLE = frozenset({str, int, bool, float})


class _Leaf(NamedTuple):
    """A field that is read from its object. A value of exactly the type `kind` becomes what `quick` makes of it.

    (None of that: it goes the normal way.) Where `quick` is None, it is itself.
    """

    read: Callable[[Any], Any]
    kind: type | None
    quick: Callable[[Any], Any] | None
    coerce: Callable[[Any], Any]
    required: bool


@dataclass(frozen=True, slots=True)
class _Plan:
    """How the fields of one selection are executed: the plain ones by response name, the others as they are.

    `origin` is the Python class of the objects; None where another check tells whether an object is of this type.
    """

    fields: Any
    leaves: Mapping[str, _Leaf]
    others: dict[str, Any]
    origin: type | None


class PlainExecutor(StrawberryGraphQLCoreExecutionContext):
    """The executor of every operation. `selections` are kept for all that have the same; None: for none."""

    selections: Selections | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._plans: dict[int, _Plan] = {}
        if self.middleware_manager and not self.middleware_manager.middlewares:
            self.middleware_manager = None  # Strawberry makes one for each operation, though it is empty

    def execute_collected_root_fields(
        self, root_type: Any, root_value: Any, grouped_field_set: Any, serially: bool, new_defer_usages: Any
    ) -> Any:
        """The fields at the root, as they were collected the first time where they are the same each time."""
        if self.selections and (kept := self.selections.of(self.operation, grouped_field_set)):
            grouped_field_set = kept.root
            self._relevant_sub_fields, self._plans = kept.below, kept.plans
        return super().execute_collected_root_fields(
            root_type, root_value, grouped_field_set, serially, new_defer_usages
        )

    def execute_fields(
        self, parent_type: Any, source_value: Any, path: Any, grouped_field_set: Any, position_context: Any
    ) -> Any:
        """The fields of one object, in the order of the document."""
        plan = self._plan(parent_type, grouped_field_set)
        ready = _read(plan, source_value) if plan.leaves else None
        if ready is None:
            return super().execute_fields(parent_type, source_value, path, grouped_field_set, position_context)
        if not plan.others:
            return ready
        others: Any = super().execute_fields(parent_type, source_value, path, plan.others, position_context)
        if not self.is_awaitable(others):
            return _in_order(grouped_field_set, ready, others)

        async def both() -> dict[str, Any]:
            return _in_order(grouped_field_set, ready, await others)

        return both()

    def complete_iterable_value(
        self, item_type: Any, field_details_list: Any, info: Any, path: Any, items: Any, position_context: Any
    ) -> Any:
        """A list, in one go where it is one of objects of which only plain fields are wanted."""
        kind = item_type.of_type if is_non_null_type(item_type) else item_type
        if is_object_type(kind) and isinstance(items, list):
            plan = self._plan(kind, self.collect_subfields(kind, field_details_list).grouped_field_set)
            plain = bool(plan.leaves) and not plan.others and set(map(type, items)) == {plan.origin}
            if plain and (ready := _read_all(plan, items)) is not None:
                return ready
        return super().complete_iterable_value(item_type, field_details_list, info, path, items, position_context)

    def _plan(self, parent_type: GraphQLObjectType, fields: Any) -> _Plan:
        """The plan for a selection. It keeps its fields alive, so that no others get their id meanwhile."""
        if plan := self._plans.get(id(fields)):
            return plan
        leaves: dict[str, _Leaf] = {}
        others: dict[str, Any] = {}
        for name, details in fields.items():
            node = details[0].node
            plain = not (node.arguments or self.middleware_manager)
            if leaf := _leaf(self.schema, parent_type, node.name.value) if plain else None:
                leaves[name] = leaf
            else:
                others[name] = details
        self._plans[id(fields)] = plan = _Plan(fields, leaves, others, _origin(parent_type))
        return plan


def _read_all(plan: _Plan, items: list[Any]) -> list[dict[str, Any]] | None:
    """The plain fields of all objects, read field by field; None where not all of them are so plain after all."""
    columns = []
    try:
        for leaf in plan.leaves.values():
            if (column := _column(leaf, items)) is None:
                return None
            columns.append(column)
    except Exception:  # noqa: BLE001 - the normal way raises it again, and tells where
        return None
    return list(map(dict, map(zip, repeat(tuple(plan.leaves)), zip(*columns, strict=True))))


def _column(leaf: _Leaf, items: list[Any]) -> list[Any] | None:
    """One field of all objects; None where one value is not so plain."""
    values = list(map(leaf.read, items))
    kinds = set(map(type, values))
    if leaf.required and NoneType in kinds:
        return None
    if leaf.kind is None or not kinds <= {leaf.kind, NoneType}:
        shown = [None if value is None else _coerced(value, leaf.coerce) for value in values]
    elif leaf.quick is None:
        return values
    else:
        shown = [None if value is None else leaf.quick(value) for value in values]
    return shown if shown.count(None) == values.count(None) else None


def _read(plan: _Plan, source: Any) -> dict[str, Any] | None:
    """The plain fields of one object: the same as a list of one, in half the time."""
    values: dict[str, Any] = {}
    try:
        for name, (read, kind, quick, coerce, required) in plan.leaves.items():
            value = read(source)
            if value is None:
                if required:
                    return None
            elif value.__class__ is kind:
                if quick is not None and (value := quick(value)) is None:
                    return None
            elif (value := _coerced(value, coerce)) is None:
                return None
            values[name] = value
    except Exception:  # noqa: BLE001 - as above
        return None
    return values


def _coerced(value: Any, coerce: Callable[[Any], Any]) -> Any:
    """What a type makes of a value; None where that is not for certain."""
    if value.__class__ not in _NEVER_AWAITABLE and (isinstance(value, Exception) or isawaitable(value)):
        return None
    coerced = coerce(value)
    return None if coerced is Undefined else coerced


@lru_cache(4096)
def _leaf(schema: GraphQLSchema, parent_type: GraphQLObjectType, name: str) -> _Leaf | None:
    """How a field is read; None where it is not plain."""
    if name == "__typename":
        return _Leaf(lambda _: parent_type.name, str, None, str, required=True)
    definition = schema.get_field(parent_type, name)
    field = definition.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF) if definition else None
    if definition is None or field is None or definition.args:
        return None
    reader = field.metadata.get(READ)
    if reader is None and not getattr(definition.resolve, "_is_default", False):
        return None
    declared: Any = definition.type
    required = is_non_null_type(declared)
    kind = declared.of_type if required else declared
    if not is_leaf_type(kind):
        return None
    return _Leaf(reader or attrgetter(field.python_name), *_quick(kind), kind.coerce_output_value, required)


def _quick(kind: Any) -> tuple[type | None, Callable[[Any], Any] | None]:
    """Which Python type a leaf's values have, and what becomes of them, where that can be known beforehand."""
    if isinstance(kind, GraphQLEnumType):
        members: type[Enum] = kind.extensions[GraphQLCoreConverter.DEFINITION_BACKREF].wrapped_cls
        return members, {member: kind.coerce_output_value(member) for member in members}.get
    return {
        "String": (str, None),
        "ID": (str, None),
        "Boolean": (bool, None),
        "Int": (int, _whole),
        "DateTime": (datetime, kind.coerce_output_value),
        "ByteCount": (int, kind.coerce_output_value),
    }.get(kind.name, (None, None))


def _whole(number: int) -> int | None:
    return number if GRAPHQL_MIN_INT <= number <= GRAPHQL_MAX_INT else None


def _origin(kind: GraphQLObjectType) -> type | None:
    definition = kind.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    return None if definition is None or definition.is_type_of else definition.origin


def _in_order(fields: Any, ready: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    both = {**ready, **others}
    return {name: both[name] for name in fields if name in both}
