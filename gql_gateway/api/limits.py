"""How much one query may ask for: its depth, its aliases, its tokens, what it may cost, and the size of a page.

Everything is weighed before it is validated: the time validation takes grows faster than the document does.
"""

from collections.abc import Collection, Mapping
from dataclasses import astuple, dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    IntValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
)

PAGE_SIZE = 50
MAX_PAGE_SIZE = 200
OUTPUT_BYTES = 32 * 1024
MAX_OUTPUT_BYTES = 1024 * 1024
BYTES_A_FIELD = 1024
"""A part of a file counts as so many fields as it has of these: a page of jobs may show the ends of their output."""
_PAGED = frozenset({"jobs", "events", "auditEntries"})
_MANY = {"types": 60, "fields": 6, "enumValues": 3, "inputFields": 2}
"""Entries of the lists that introspection gives, about as many as this schema has: they need no token."""


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """Limits of one operation.

    `depth` counts fields inside fields; the introspection that tools send is 15 deep. `cost` counts the fields of the
    largest answer possible: one each, times the size of every page around it.
    `repeats` is what api/repeats.py counts.
    """

    depth: int = 16
    aliases: int = 50
    tokens: int = 4000
    cost: int = 100_000
    repeats: int = 20_000


@dataclass(frozen=True, slots=True)
class Weight:
    """What a part of a document asks for."""

    depth: int = 0
    aliases: int = 0
    cost: int = 0

    def __add__(self, other: "Weight") -> "Weight":
        return Weight(max(self.depth, other.depth), self.aliases + other.aliases, self.cost + other.cost)

    def excess(self, limits: QueryLimits) -> list[GraphQLError]:
        """What is too much, in words."""
        return [
            GraphQLError(f"This query {words}; at most {limit} is allowed.", extensions={"code": "LIMIT_EXCEEDED"})
            for words, amount, limit in (
                (f"is {self.depth} fields deep", self.depth, limits.depth),
                (f"has {self.aliases} aliases", self.aliases, limits.aliases),
                (f"asks for up to {self.cost} fields", self.cost, limits.cost),
            )
            if amount > limit
        ]


@dataclass(slots=True)
class Scale:
    """Weighs a document, each fragment once.

    Without `variables` it is weighed as if their values were the lightest; `uses_variables` tells whether they matter.
    """

    document: DocumentNode
    variables: Mapping[str, Any] | None = None
    uses_variables: bool = False
    _fragments: dict[str, FragmentDefinitionNode] = field(default_factory=dict)
    _weights: dict[str, Weight] = field(default_factory=dict)
    _defaults: dict[str, int] = field(default_factory=dict)

    def weigh(self) -> Weight:
        """The most that any of the document's operations asks for, of each kind."""
        operations = []
        for definition in self.document.definitions:
            if isinstance(definition, FragmentDefinitionNode):
                self._fragments[definition.name.value] = definition
            elif isinstance(definition, OperationDefinitionNode):
                operations.append(definition)
                self._note_defaults(definition)
        weights = [self._selections(operation.selection_set) for operation in operations]
        return Weight(*(max(kind) for kind in zip(*map(astuple, weights), strict=True))) if weights else Weight()

    def _note_defaults(self, operation: OperationDefinitionNode) -> None:
        for variable in operation.variable_definitions or ():
            if isinstance(variable.default_value, IntValueNode):
                self._defaults[variable.variable.name.value] = _whole(variable.default_value.value)

    def _selections(self, selections: SelectionSetNode | None) -> Weight:
        return sum(map(self._selection, selections.selections), Weight()) if selections else Weight()

    def _selection(self, selection: SelectionNode) -> Weight:
        if isinstance(selection, FragmentSpreadNode):
            return self._fragment(selection.name.value)
        inner = self._selections(getattr(selection, "selection_set", None))
        if not isinstance(selection, FieldNode):
            return inner
        aliases = inner.aliases + (selection.alias is not None)
        return Weight(inner.depth + 1, aliases, self._page(selection) * (1 + inner.cost) + self._bulk(selection))

    def _fragment(self, name: str) -> Weight:
        if name not in self._weights:
            self._weights[name] = Weight()  # a fragment inside itself weighs nothing: validation refuses it
            fragment = self._fragments.get(name)
            self._weights[name] = self._selections(fragment.selection_set) if fragment else Weight()
        return self._weights[name]

    def _page(self, node: FieldNode) -> int:
        """Entries on the page that a field asks for; 1 for what has no pages."""
        name = node.name.value
        if name in _PAGED:
            return self._size(node, {"first", "last"}, PAGE_SIZE, MAX_PAGE_SIZE)
        return _MANY.get(name, 1)

    def _bulk(self, node: FieldNode) -> int:
        """What a part of a file costs beside its fields; 0 for everything else."""
        if node.name.value != "output":
            return 0
        return self._size(node, {"limit"}, OUTPUT_BYTES, MAX_OUTPUT_BYTES) // BYTES_A_FIELD

    def _size(self, node: FieldNode, names: Collection[str], default: int, most: int) -> int:
        """The largest of the named arguments, as it can be: more than `most` is refused later, with its own words."""
        given = [self._number(argument.value) for argument in node.arguments or () if argument.name.value in names]
        return max((min(max(size, 1), most) for size in given if size is not None), default=default)

    def _number(self, value: object) -> int | None:
        if isinstance(value, IntValueNode):
            return _whole(value.value)
        if not isinstance(value, VariableNode):
            return None
        self.uses_variables = True
        if self.variables is None:
            return 1
        given = self.variables.get(value.name.value)
        return given if isinstance(given, int) else self._defaults.get(value.name.value)


def _whole(digits: str) -> int:
    return int(digits) if len(digits) < 10 else MAX_OUTPUT_BYTES  # noqa: PLR2004 - nothing that is weighed is larger
