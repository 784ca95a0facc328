"""What the operations that were executed lately select, kept from one request to the next and from event to event.

graphql-core (3.3.2) collects the fields of an operation anew each time it is executed, since directives and their
variables may leave some out. Where there are no directives, they are the same each time.
"""

from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from graphql import Node, OperationDefinitionNode

REMEMBERED, REMEMBERED_LENGTH = 256, 16 * 1024
"""So many operations are kept, of texts with at most so many characters: some tens of megabytes at most."""

Value = TypeVar("Value")


class ByNode(Generic[Value]):
    """Values for nodes of documents, which are told apart by their identity: to compare them takes longer."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Node, Value]] = {}

    def get(self, node: Node) -> Value | None:
        """What was put here for this node."""
        known = self._kept.get(id(node))
        return known[1] if known else None

    def put(self, node: Node, value: Value) -> Value:
        """Keep a value for a node of a short text, and the node with it, so that no other gets its identity."""
        if len(text_of(node)) <= REMEMBERED_LENGTH:
            if len(self._kept) >= REMEMBERED:
                del self._kept[next(iter(self._kept))]
            self._kept[id(node)] = node, value
        return value


@dataclass(slots=True)
class Selected:
    """What one operation selects: the fields at its root, and those below; `plans` are what is made of them.

    Keys are identities of what is held here or by the operation.
    """

    root: dict[str, Any]
    below: dict[Any, Any] = field(default_factory=dict)
    plans: dict[int, Any] = field(default_factory=dict)


class Selections:
    """What the operations of one schema select."""

    def __init__(self) -> None:
        self._kept: ByNode[Selected] = ByNode()

    def of(self, operation: OperationDefinitionNode, root: dict[str, Any]) -> Selected | None:
        """What an operation selects, of which the fields at its root were collected; None: that is not always so."""
        if known := self._kept.get(operation):
            return known
        return None if "@" in text_of(operation) else self._kept.put(operation, Selected(root))


def text_of(node: Node) -> str:
    """The text of the document that a node stands in."""
    return node.loc.source.body if node.loc else ""
