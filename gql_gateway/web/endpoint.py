"""The GraphQL endpoint: HTTP, server-sent events, multipart uploads and WebSocket, at one address.

Strawberry's view (0.341.2) serves WebSockets and streams. What is answered by one document is not its: the audits of
npm graphql-http ask for the media type by Accept, 400 for requests that were not run and errors as GraphQL documents
(upstream: `create_response` would have to know the request), multipart bodies are streamed (web/uploads.py) where
Strawberry has Starlette write them to disk, and its way takes longer than the query for one job.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import orjson
import structlog
from cross_web import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.asgi import GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http import GraphQLHTTPResponse, GraphQLRequestData
from strawberry.subscriptions import GRAPHQL_SSE_PROTOCOL, GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.types import ExecutionResult
from strawberry.types.unset import UNSET, UnsetType

from gql_gateway.api.context import Context, Services
from gql_gateway.api.schema import GatewaySchema
from gql_gateway.core.errors import BadRequest, Fault, Unauthenticated, Unavailable
from gql_gateway.core.identity import Identity
from gql_gateway.web import negotiation
from gql_gateway.web.answers import document, error_of, request_id_of, reserved
from gql_gateway.web.door import Door
from gql_gateway.web.events import Events
from gql_gateway.web.requests import PostedRequest, is_multipart, operation_of, read_body
from gql_gateway.web.single import Single, SingleOptions, Singles, operation_named, stream_token
from gql_gateway.web.sockets import Socket, SocketHandler
from gql_gateway.web.streams import while_valid

_METHODS = "GraphQL takes GET and POST requests; for graphql-sse's single connection PUT, and DELETE with its token."
_STREAM_OR_NOT = (
    "A subscription is answered over WebSocket (graphql-transport-ws), or with `Accept: text/event-stream`."
)


@dataclass(frozen=True, slots=True)
class EndpointOptions:
    """How much a client may send or open, and from where.

    `request_bytes` is the size of a request without its files. `allowed_origins` are those of other sites' pages that
    may open a WebSocket. `hello_seconds` is how long a WebSocket may stay without saying who asks. `single` is about
    streams that are reserved (web/single.py).
    """

    request_bytes: int = 1024 * 1024
    allowed_origins: tuple[str, ...] = ()
    hello_seconds: float = 10.0
    operations_per_socket: int = 100
    single: SingleOptions = field(default_factory=SingleOptions)


class GraphQLEndpoint(GraphQL[Context, None]):
    """Answers at /graphql. `explorer` makes the page that a browser gets there; None: no page."""

    schema: GatewaySchema
    request_adapter_class = PostedRequest
    websocket_adapter_class = Socket
    graphql_transport_ws_handler_class = SocketHandler
    stream_transport_classes_by_protocol = MappingProxyType({GRAPHQL_SSE_PROTOCOL: Events})

    def __init__(
        self,
        schema: GatewaySchema,
        services: Services,
        door: Door,
        explorer: Callable[[], Response] | None = None,
        options: EndpointOptions | None = None,
    ) -> None:
        self._options = options = options or EndpointOptions()
        super().__init__(
            schema,
            graphql_ide=None,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL, GRAPHQL_SSE_PROTOCOL),
            connection_init_wait_timeout=timedelta(seconds=options.hello_seconds),
            max_subscriptions_per_connection=options.operations_per_socket,
            allowed_origins=options.allowed_origins,
        )
        self._services = services
        self.door = door
        self._explorer = explorer
        self._singles = Singles(door.vigil, options.single)
        # The endpoint limits what it reads by itself: a file's size is limited where it is written.
        self.routes = (
            Route("/graphql", self, max_body_size=sys.maxsize),
            WebSocketRoute("/graphql", self),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or serve one connection."""
        if scope["type"] == "websocket":
            await self.run(WebSocket(scope, receive, send))
            return
        request = Request(scope, receive)
        try:
            response = await self._respond(request)
        except Fault as fault:
            response = error_of(request, fault, fault.status)
        except HTTPException as error:
            response = error_of(request, BadRequest(f"{error.reason.rstrip('.')}."), error.status_code)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        """Answer one request over HTTP, in the order in which it may be refused."""
        accept = request.headers.get("accept", "")
        if self._explorer and _is_for_a_page(request, accept):
            return self._explorer()
        context = await self._enter(request)
        if request.method == "PUT":
            return reserved(self._singles.reserve(context.identity, context.token))
        if token := stream_token(request):
            return await self._on_stream(request, token, context)
        _check_method(request)
        posted = PostedRequest(request)
        operation = await self._operation(posted)
        if self._wants_events(accept, operation):
            return await self._stream(request, posted, operation, context)
        no_answer_yet: Any = None
        result = await self.execute_single(request, posted, no_answer_yet, context, None, operation)
        media_type = negotiation.answer_type(accept)
        strict = media_type == negotiation.RESPONSE or is_multipart(request)
        return document(negotiation.body(result), negotiation.status(result, strict=strict), media_type)

    async def _on_stream(self, request: Request, token: str, context: Context) -> Response:
        """Answer a request that is about a stream which was reserved: open it, run an operation on it, or end one."""
        stream = self._singles.find(token, context.identity)
        if request.method == "GET" and negotiation.wants_only_events(request.headers.get("accept", "")):
            return StreamingResponse(self._singles.open(token, stream), headers=dict(Events.headers))
        if context.identity is None:
            raise Unauthenticated("This needs a token: `Authorization: Bearer …`.")
        if request.method == "DELETE":
            stream.stop(operation_named(request))
            return Response(status_code=HTTPStatus.OK)
        _check_method(request)
        return await self._run_on(stream, request, context)

    async def _run_on(self, stream: Single, request: Request, context: Context) -> Response:
        """Run an operation whose results a stream carries; what is not run is answered here."""
        if is_multipart(request):
            raise HTTPException(415, "An upload is answered by itself: send it without the stream's token.")
        posted = PostedRequest(request)
        operation = await self._operation(posted)
        operation_id = stream.check((operation.extensions or {}).get("operationId"))
        asked = {"variable_values": operation.variables, "operation_name": operation.operation_name}
        if refused := self.schema.refused(operation.query, context, **asked):
            return document(negotiation.body(refused), HTTPStatus.BAD_REQUEST, negotiation.JSON)
        stream.run(operation_id, await self._results(request, posted, operation, context))
        return Response(status_code=HTTPStatus.ACCEPTED)

    async def _stream(
        self, request: Request, posted: PostedRequest, operation: GraphQLRequestData, context: Context
    ) -> Response:
        """Answer with events."""
        self.schema.documents.admit(operation.query or "", operation.operation_name, context.identity)
        results: Any = await self._results(request, posted, operation, context)
        answer = await self.get_sub_response(request)
        return await self._create_streaming_response(request, results, operation.protocol, answer)

    async def _results(
        self, request: Request, posted: PostedRequest, operation: GraphQLRequestData, context: Context
    ) -> AsyncGenerator[Any, None]:
        """The results of an operation as they come, for as long as its caller's token is good."""
        operation.protocol = "sse"
        answer = await self.get_sub_response(request)
        results: Any = await self.execute_operation(request, posted, operation, context, None, answer)
        return while_valid(results, context, self.door.vigil)

    # -- who asks -----------------------------------------------------------------------------------------------

    async def _enter(self, request: Request) -> Context:
        """Who asks over HTTP.

        Raises:
            Unauthenticated, Unavailable: it cannot be told.
            RateExceeded: who asks did so too often.
        """
        context = Context(self._services, request_id_of(request))
        await self.door.enter(context, request.headers.get("authorization"))
        if context.identity:
            _note(context.identity)
            await self.door.allowance.request(context.identity.email)
        return context

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:  # noqa: ARG002
        """A WebSocket says later who asks."""
        return Context(self._services, request_id_of(request))

    async def on_ws_connect(self, context: Context) -> UnsetType:
        """Let a WebSocket in by the `Authorization` that it introduces itself with; there is nothing to answer.

        Raises:
            ConnectionRejectionError: without a valid one.
            Unavailable: nobody could tell.
        """
        given = {name.lower(): value for name, value in context.connection_params.items()}.get("authorization")
        context.connection_params = {}
        try:
            async with asyncio.timeout(self._options.hello_seconds):
                await self.door.enter(context, given if isinstance(given, str) else None)
        except Unauthenticated as error:
            raise ConnectionRejectionError from error
        except TimeoutError:
            raise Unavailable("Nobody could say in time whose token this is.") from None
        if context.identity is None:
            raise ConnectionRejectionError
        _note(context.identity)
        nothing: UnsetType = UNSET
        return nothing

    # -- what is asked ------------------------------------------------------------------------------------------

    def decode_json(self, data: str | bytes) -> object:
        """JSON without what only Python takes for it: NaN, half a surrogate pair, nesting without end."""
        return orjson.loads(data)

    def encode_json(self, data: object) -> str:
        """JSON as text, which a WebSocket needs."""
        return orjson.dumps(data).decode()

    async def _operation(self, request: PostedRequest) -> GraphQLRequestData:
        """The one operation that a request asks for.

        Raises:
            BadRequest, HTTPException: it is none.
        """
        if request.method == "GET":
            given = {name: value for name, value in request.query_params.items() if value}
            data: Any = self.parse_query_params(given)
        else:
            data = await read_body(request, self._options.request_bytes, self.parse_json)
        return operation_of(data)

    def _wants_events(self, accept: str, operation: GraphQLRequestData) -> bool:
        """Whether an operation is answered with events, or with one document.

        Raises:
            HTTPException: it cannot be, as the client wants it.
        """
        if negotiation.wants_only_events(accept):
            return True
        if not self.schema.documents.is_subscription(operation.query or "", operation.operation_name):
            return False
        if negotiation.EVENTS in negotiation.accepted(accept):
            return True
        raise HTTPException(406, _STREAM_OR_NOT)

    async def process_result(self, request: Request, result: ExecutionResult) -> GraphQLHTTPResponse:  # noqa: ARG002
        """What is sent for a result."""
        return negotiation.body(result)


def _check_method(request: Request) -> None:
    if request.method not in {"GET", "POST"}:
        raise HTTPException(405, _METHODS)


def _is_for_a_page(request: Request, accept: str) -> bool:
    """Whether a browser asks for something to show."""
    wanted = request.method == "GET" and "query" not in request.query_params
    return wanted and negotiation.HTML in negotiation.accepted(accept)


def _note(identity: Identity | None) -> None:
    """Have the log tell who asks."""
    if identity:
        structlog.contextvars.bind_contextvars(user=identity.email)
