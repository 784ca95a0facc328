"""What every object with an id has."""

from typing import Any

import strawberry

from gql_gateway.api.fields import read
from gql_gateway.core.ids import prefix_of

_ID = "Id of the object: opaque, and never used for another one."


@strawberry.interface(description="An object with an id, which `node` finds again.")
class Node:
    id: strawberry.ID = strawberry.field(description=_ID)


def id_of(kind: str) -> Any:
    """Declare the id of an object of this kind that stands for a row."""
    return read("row.id", _ID, prefix_of(kind).__add__)
