"""How often a document says the same at one place, which is what its validation takes time for.

graphql-core (3.3) compares each pair of fields that would share a place in the answer, and each pair of fragments:
4,000 tokens of `heartbeat{ok}` kept the event loop for 4 to 7 s on a busy machine, and nobody needed a token for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
)

_VISITS = 20_000
"""Fields looked at, fragments written out: more than any document needs that a person or a tool has written."""

_Place = list[SelectionSetNode]
"""The selection sets whose fields meet at one place of the answer."""


@dataclass(slots=True)
class _Count:
    """Pairs found so far."""

    most: int
    fragments: dict[str, FragmentDefinitionNode]
    pairs: int = 0
    visits: int = 0
    met: set[str] = field(default_factory=set)

    @property
    def too_many(self) -> bool:
        return self.pairs > self.most or self.visits > _VISITS

    def below(self, root: SelectionSetNode) -> None:
        """Count at every place of an operation or fragment, until there are too many."""
        places = [[root]]
        while places and not self.too_many:
            places += self._inside(places.pop())

    def _inside(self, place: _Place) -> list[_Place]:
        """Count at one place; the places inside it."""
        fields: dict[str, list[FieldNode]] = {}
        spreads = 0
        for selection in self._selections(place):
            if isinstance(selection, FieldNode):
                fields.setdefault((selection.alias or selection.name).value, []).append(selection)
            spreads += isinstance(selection, FragmentSpreadNode)
        self.pairs += sum(len(same) * (len(same) - 1) for same in fields.values()) + spreads * (spreads - 1)
        inner = [[node.selection_set for node in same if node.selection_set] for same in fields.values()]
        return [sets for sets in inner if sets]

    def _selections(self, place: _Place) -> Iterator[SelectionNode]:
        """What is selected at one place, also by fragments, each of which counts once."""
        left, seen = list(place), set()
        while left and not self.too_many:
            for selection in left.pop().selections:
                self.visits += 1
                yield selection
                if isinstance(selection, FragmentSpreadNode):
                    name = selection.name.value
                    if name in self.fragments and name not in seen:
                        seen.add(name)
                        left.append(self.fragments[name].selection_set)
                elif not isinstance(selection, FieldNode):
                    left.append(selection.selection_set)  # type: ignore[attr-defined]
        self.met |= seen


def excess(document: DocumentNode, most: int) -> list[GraphQLError]:
    """What is too much, in words; empty where the document has at most `most` pairs."""
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    count = _Count(most, fragments)
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode):
            count.below(node.selection_set)
    for name, fragment in fragments.items():
        if name not in count.met:
            count.below(fragment.selection_set)
    if not count.too_many:
        return []
    words = f"This query repeats fields or fragments at one place; at most {most} such pairs are allowed."
    return [GraphQLError(words, extensions={"code": "LIMIT_EXCEEDED"})]
