"""The gateway's own tokens, as their owner sees them."""

from datetime import datetime

import strawberry

from gql_gateway.api.enums import Role
from gql_gateway.api.nodes import Node
from gql_gateway.core.ids import global_id
from gql_gateway.store.tables import ApiToken


@strawberry.type(description="An API token of yours that works. Its secret is shown once, when it is made.")
class Token(Node):
    name: str = strawberry.field(description="What it is for.")
    role: Role = strawberry.field(description="What a request with it may do.")
    created_at: datetime = strawberry.field(description="When it was made.")
    expires_at: datetime | None = strawberry.field(description="When it stops working; null: never.")
    last_used_at: datetime | None = strawberry.field(description="When it was last used, to the minute.")

    @classmethod
    def of(cls, row: ApiToken) -> "Token":
        """A token of the caller's."""
        return cls(
            id=strawberry.ID(global_id("token", row.id)),
            name=row.name,
            role=row.role,
            created_at=row.created_at,
            expires_at=row.expires_at,
            last_used_at=row.last_used_at,
        )
