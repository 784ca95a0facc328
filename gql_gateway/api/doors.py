"""Who may come in: every operation needs a caller, but for the few root fields named here."""

from collections.abc import Iterator

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
)

from gql_gateway.core.errors import Unauthenticated
from gql_gateway.core.identity import Identity

OPEN = frozenset({"heartbeat", "__typename", "__schema", "__type"})
"""Root fields of a query that need no caller: whether the gateway works, and what can be asked."""

_WITHOUT = "This needs a token: `Authorization: Bearer …`. Without one only `heartbeat` can be asked."


def admit(document: DocumentNode, operation_name: str | None, identity: Identity | None) -> None:
    """Let a caller in who may run an operation.

    Raises:
        Unauthenticated: it needs a caller, and there is none.
    """
    if identity is None and not _is_open(document, operation_name):
        raise Unauthenticated(_WITHOUT)


def _is_open(document: DocumentNode, operation_name: str | None) -> bool:
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    for node in document.definitions:
        if isinstance(node, OperationDefinitionNode) and _is_meant(node, operation_name):
            return node.operation is OperationType.QUERY and set(_names(node.selection_set, fragments, set())) <= OPEN
    return False


def _is_meant(node: OperationDefinitionNode, operation_name: str | None) -> bool:
    return operation_name is None or (node.name is not None and node.name.value == operation_name)


def _names(selections: SelectionSetNode, fragments: dict[str, FragmentDefinitionNode], seen: set[str]) -> Iterator[str]:
    """Names of the fields at the root, also those inside fragments."""
    for node in selections.selections:
        if isinstance(node, FieldNode):
            yield node.name.value
        elif isinstance(node, FragmentSpreadNode):
            name = node.name.value
            if name in fragments and name not in seen:
                yield from _names(fragments[name].selection_set, fragments, seen | {name})
        else:
            yield from _names(node.selection_set, fragments, seen)  # type: ignore[attr-defined]
