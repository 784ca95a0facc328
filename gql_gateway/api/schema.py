"""The schema: what can be asked, and how every operation is prepared, run and answered for."""

from inspect import isawaitable
from typing import Any

from graphql import ExecutionResult as GraphQLExecutionResult
from graphql import GraphQLError, execute
from strawberry import Schema
from strawberry.exceptions import MissingQueryError
from strawberry.execution.is_awaitable import optimized_is_awaitable
from strawberry.printer import print_schema
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types import ExecutionContext, ExecutionResult
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from gql_gateway.api.documents import Documents, Prepared, Preparing
from gql_gateway.api.errors import present
from gql_gateway.api.limits import QueryLimits
from gql_gateway.api.mutations import Mutation
from gql_gateway.api.queries import Query
from gql_gateway.api.scalars import SCALARS
from gql_gateway.api.sharing import Answers, sharing
from gql_gateway.api.subscriptions import Subscription

_IS_AWAITABLE: Any = optimized_is_awaitable  # Strawberry does not type it as graphql-core does
_ONCE = (OperationType.QUERY, OperationType.MUTATION)


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

    async def execute(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,
        *_: Any,
        **options: Any,
    ) -> ExecutionResult:
        """Run a query or a mutation to its end.

        As Strawberry (0.341.2) does, without the place that it keeps for hooks around each step: they take 30 of the 50
        microseconds of the smallest operation. What is streamed goes its way, with `Preparing` as the only hook.

        Args:
            query: the document.
            variable_values: of its variables.
            context_value: who asks, and whom.
            options: others, as Strawberry names them.

        Raises:
            MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError: it is none that may be run.
        """
        options = {"allowed_operation_types": _ONCE, "variable_values": variable_values} | options
        context = self._create_execution_context(query, context_value=context_value, **options)
        if refused := self._check(context):
            return refused
        try:
            result = await self._run(context)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told in the form that a client understands
            return self._refused([GraphQLError(str(error), original_error=error)], context)
        if result.errors:
            self.process_errors(result.errors, context)
        return ExecutionResult(data=result.data, errors=result.errors)

    def refused(self, query: str | None, context_value: Any, **options: Any) -> ExecutionResult | None:
        """What stands against an operation of whatever kind before it is run; None: nothing."""
        context = self._create_execution_context(query, tuple(OperationType), context_value=context_value, **options)
        try:
            return self._check(context)
        except CannotGetOperationTypeError as error:
            return self._refused([GraphQLError(error.as_http_error_reason(), original_error=error)], context)

    def _check(self, context: ExecutionContext) -> ExecutionResult | None:
        try:
            prepared = self._prepared(context)
        except GraphQLError as error:
            return self._refused([error], context)
        errors = self.documents.refusals(prepared, context)
        return self._refused(errors, context) if errors else None

    def _prepared(self, context: ExecutionContext) -> Prepared:
        if not context.query:
            raise MissingQueryError
        context.context.entries = 0
        prepared = self.documents.prepare(context.query)
        context.graphql_document = prepared.document
        try:
            kind = context.operation_type
        except RuntimeError as error:
            raise CannotGetOperationTypeError(context.operation_name) from error
        if kind not in context.allowed_operations:
            raise InvalidOperationTypeError(kind)
        return prepared

    async def _run(self, context: ExecutionContext) -> GraphQLExecutionResult:
        document: Any = context.graphql_document
        executed: Any = execute(
            self._schema,
            document,
            root_value=context.root_value,
            context_value=context.context,
            variable_values=context.variables,
            operation_name=context.operation_name,
            is_awaitable=_IS_AWAITABLE,
            executor_class=self.execution_context_class,
            operation_extensions=context.operation_extensions,
        )
        result: GraphQLExecutionResult = await executed if isawaitable(executed) else executed
        return result

    def _refused(self, errors: list[GraphQLError], context: ExecutionContext) -> ExecutionResult:
        self.process_errors(errors, context)
        return PreExecutionError(data=None, errors=errors)

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Put every top-level error into the words that a caller may see.

        Strawberry calls this for each result, on every transport, before it is sent, with the list that it sends.
        """
        request_id = execution_context.context.request_id if execution_context else ""
        errors[:] = [present(error, request_id) for error in errors]


def sdl() -> str:
    """The schema as text: what stands in schema.graphql."""
    return print_schema(GatewaySchema()) + "\n"
