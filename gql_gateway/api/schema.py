"""The schema: what can be asked, and how every operation is prepared, run and answered for."""

from graphql import GraphQLError
from strawberry import Schema
from strawberry.printer import print_schema
from strawberry.schema.config import StrawberryConfig
from strawberry.types import ExecutionContext

from gql_gateway.api.documents import Documents, Preparing
from gql_gateway.api.errors import present
from gql_gateway.api.limits import QueryLimits
from gql_gateway.api.mutations import Mutation
from gql_gateway.api.queries import Query
from gql_gateway.api.scalars import SCALARS
from gql_gateway.api.sharing import Answers, sharing
from gql_gateway.api.subscriptions import Subscription


class GatewaySchema(Schema):
    """The gateway's schema. `documents` has the operations that were asked lately, ready to be run."""

    def __init__(self, limits: QueryLimits | None = None, *, introspection: bool = True) -> None:
        super().__init__(
            query=Query,
            mutation=Mutation,
            subscription=Subscription,
            extensions=[lambda: Preparing(self.documents)],
            execution_context_class=sharing(Answers()),
            config=StrawberryConfig(scalar_map=SCALARS),
        )
        self.documents = Documents(self._schema, limits or QueryLimits(), introspection=introspection)

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Put every top-level error into the words that a caller may see.

        Strawberry calls this for each result, on every transport, before it is sent, with the list that it sends.
        """
        request_id = execution_context.context.request_id if execution_context else ""
        errors[:] = [present(error, request_id) for error in errors]


def sdl() -> str:
    """The schema as text: what stands in schema.graphql."""
    return print_schema(GatewaySchema()) + "\n"
