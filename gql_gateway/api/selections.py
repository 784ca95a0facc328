"""What operations select, kept from one request to the next and from event to event.

graphql-core (3.3.2) collects the fields of an operation anew each time it is executed, since directives and their
variables may leave some out. Where there are no directives, they are the same each time.
"""

from dataclasses import dataclass, field
from typing import Any

from graphql import OperationDefinitionNode

REMEMBERED, REMEMBERED_LENGTH = 256, 16 * 1024
"""So many operations are kept, of texts with at most so many characters: some tens of megabytes at most."""


@dataclass(slots=True)
class Selected:
    """What one operation selects: the fields at its root, and those below; `plans` are what is made of them.

    Keys are identities of what is held here or by the operation.
    """

    operation: OperationDefinitionNode
    root: dict[str, Any]
    below: dict[Any, Any] = field(default_factory=dict)
    plans: dict[int, Any] = field(default_factory=dict)


class Selections:
    """What the operations of one schema select that were executed lately."""

    def __init__(self) -> None:
        self._kept: dict[int, Selected] = {}

    def of(self, operation: OperationDefinitionNode, root: dict[str, Any]) -> Selected | None:
        """What an operation selects, of which the fields at its root were collected; None: that is not always so."""
        if known := self._kept.get(id(operation)):
            return known
        text = operation.loc.source.body if operation.loc else "@"
        if "@" in text or len(text) > REMEMBERED_LENGTH:
            return None
        if len(self._kept) >= REMEMBERED:
            del self._kept[next(iter(self._kept))]
        self._kept[id(operation)] = Selected(operation, root)
        return self._kept[id(operation)]
