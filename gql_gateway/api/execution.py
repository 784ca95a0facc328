"""Executes plain fields without ceremony: a list's answer is mostly attributes that need no resolver.

graphql-core (3.3.2) makes a path, a resolve info and a chain of five calls for each of them. Here an attribute that is
a scalar or an enum is read and coerced at once, in a loop that was planned once for all objects of a list. Whatever is
not as plain as that (arguments, resolvers, objects, null where none may be, exceptions, awaitables, values that their
type does not take) goes the normal way, together with the whole object it stands in, so that answers and errors are the
same to the letter (tests/api/test_execution.py).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLObjectType, Undefined, is_leaf_type, is_non_null_type, is_specified_scalar_type
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.schema.schema_converter import GraphQLCoreConverter

_ITSELF = {"String": str, "ID": str, "Boolean": bool}
"""Scalars of GraphQL's own that take values of exactly this type as they are."""
_NEVER_AWAITABLE = frozenset({str, int, bool, float})


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A field that is an attribute."""

    attribute: str
    read: Callable[[Any, str], Any]
    coerce: Callable[[Any], Any]
    itself: type | None
    required: bool


@dataclass(frozen=True, slots=True)
class _Plan:
    """How the fields of one selection are executed: the plain ones by response name, the others as they are."""

    fields: Any
    leaves: Mapping[str, _Leaf]
    named: Mapping[str, str]
    others: dict[str, Any]


class PlainExecutor(StrawberryGraphQLCoreExecutionContext):
    """The executor of every operation."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._plans: dict[int, _Plan] = {}
        if self.middleware_manager and not self.middleware_manager.middlewares:
            self.middleware_manager = None  # Strawberry makes one for each operation, though it is empty

    def execute_fields(
        self, parent_type: Any, source_value: Any, path: Any, grouped_field_set: Any, position_context: Any
    ) -> Any:
        """The fields of one object, in the order of the document."""
        plan = self._plans.get(id(grouped_field_set)) or self._plan(parent_type, grouped_field_set)
        ready = self._read(plan, source_value) if plan.leaves else None
        if ready is None:
            return super().execute_fields(parent_type, source_value, path, grouped_field_set, position_context)
        ready.update(plan.named)
        if not plan.others:
            return ready if not plan.named else _in_order(grouped_field_set, ready, {})
        others: Any = super().execute_fields(parent_type, source_value, path, plan.others, position_context)
        if not self.is_awaitable(others):
            return _in_order(grouped_field_set, ready, others)

        async def both() -> dict[str, Any]:
            return _in_order(grouped_field_set, ready, await others)

        return both()

    def _read(self, plan: _Plan, source: Any) -> dict[str, Any] | None:
        """The plain fields of one object; None where one of them is not so plain after all."""
        values: dict[str, Any] = {}
        for name, leaf in plan.leaves.items():
            value = leaf.read(source, leaf.attribute)
            kind = value.__class__
            if kind is leaf.itself:
                values[name] = value
            elif value is None:
                if leaf.required:
                    return None
                values[name] = None
            else:
                coerced = self._coerced(leaf, value)
                if coerced is None or coerced is Undefined:
                    return None
                values[name] = coerced
        return values

    def _coerced(self, leaf: _Leaf, value: Any) -> Any:
        if value.__class__ not in _NEVER_AWAITABLE and (isinstance(value, Exception) or self.is_awaitable(value)):
            return None
        try:
            return leaf.coerce(value)
        except Exception:  # noqa: BLE001 - the normal way raises it again, and tells where
            return None

    def _plan(self, parent_type: GraphQLObjectType, fields: Any) -> _Plan:
        leaves: dict[str, _Leaf] = {}
        named: dict[str, str] = {}
        others: dict[str, Any] = {}
        for name, details in fields.items():
            node = details[0].node
            if node.name.value == "__typename":
                named[name] = parent_type.name
            elif leaf := None if node.arguments or self.middleware_manager else self._leaf(parent_type, node):
                leaves[name] = leaf
            else:
                others[name] = details
        # The plan keeps its fields alive, so that no others get their id while it is remembered.
        self._plans[id(fields)] = plan = _Plan(fields, leaves, named, others)
        return plan

    def _leaf(self, parent_type: GraphQLObjectType, node: Any) -> _Leaf | None:
        definition = self.schema.get_field(parent_type, node.name.value)
        if definition is None or definition.args or not getattr(definition.resolve, "_is_default", False):
            return None
        declared: Any = definition.type
        required = is_non_null_type(declared)
        kind = declared.of_type if required else declared
        if not is_leaf_type(kind):
            return None
        field = definition.extensions[GraphQLCoreConverter.DEFINITION_BACKREF]
        itself = _ITSELF.get(kind.name) if is_specified_scalar_type(kind) else None
        return _Leaf(field.python_name, field.default_resolver, kind.coerce_output_value, itself, required)


def _in_order(fields: Any, ready: Mapping[str, Any], others: Mapping[str, Any]) -> dict[str, Any]:
    both = {**ready, **others}
    return {name: both[name] for name in fields if name in both}
