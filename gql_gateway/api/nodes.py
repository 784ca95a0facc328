"""What every object with an id has."""

import strawberry


@strawberry.interface(description="An object with an id, which `node` finds again.")
class Node:
    id: strawberry.ID = strawberry.field(description="Id of the object: opaque, and never used for another one.")
