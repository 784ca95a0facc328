"""The GraphQL endpoint: HTTP, server-sent events, multipart uploads and WebSocket, at one address.

Differences to Strawberry's view (0.341.2), which the audits of npm graphql-http ask for: the media type by Accept, 400
for requests that were not run, errors as GraphQL documents. (Upstream: `create_response` would have to know the
request.) Multipart bodies are streamed (web/uploads.py) where Strawberry has Starlette write them to disk.
"""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import orjson
import structlog
from cross_web import AsyncHTTPRequestAdapter, HTTPException
from graphql import GraphQLError
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
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
from gql_gateway.api.errors import present
from gql_gateway.api.schema import GatewaySchema
from gql_gateway.core.errors import BadRequest, Fault, RateExceeded, Unauthenticated, Unavailable
from gql_gateway.core.identity import Identity
from gql_gateway.web import negotiation
from gql_gateway.web.door import Door
from gql_gateway.web.events import Events
from gql_gateway.web.requests import PostedRequest, is_multipart, operation_of, read_body
from gql_gateway.web.sockets import Socket, SocketHandler
from gql_gateway.web.streams import while_valid

_STREAM_OR_NOT = (
    "A subscription is answered over WebSocket (graphql-transport-ws), or with `Accept: text/event-stream`."
)


@dataclass(frozen=True, slots=True)
class EndpointOptions:
    """How much a client may send or open, and from where.

    `request_bytes` is the size of a request without its files. `allowed_origins` are those of other sites' pages that
    may open a WebSocket. `hello_seconds` is how long a WebSocket may stay without saying who asks.
    """

    request_bytes: int = 1024 * 1024
    allowed_origins: tuple[str, ...] = ()
    hello_seconds: float = 10.0
    operations_per_socket: int = 100


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
            response = _error(request, fault, fault.status)
        except HTTPException as error:
            response = _error(request, BadRequest(f"{error.reason.rstrip('.')}."), error.status_code)
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        accepts_page = negotiation.HTML in negotiation.accepted(request.headers.get("accept", ""))
        if self._explorer and request.method == "GET" and accepts_page and "query" not in request.query_params:
            return self._explorer()
        return await self.run(request)

    # -- who asks -----------------------------------------------------------------------------------------------

    async def get_context(self, request: Request | WebSocket, response: Response | WebSocket) -> Context:  # noqa: ARG002
        """Who asks over HTTP; a WebSocket says so later.

        Raises:
            Unauthenticated, Unavailable: it cannot be told.
            RateExceeded: who asks did so too often.
        """
        context = Context(self._services, _request_id(request))
        if isinstance(request, Request):
            await self.door.enter(context, request.headers.get("authorization"))
            if context.identity:
                _note(context.identity)
                await self.door.allowance.request(context.identity.email)
        return context

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

    def should_render_graphql_ide(self, _request: object) -> bool:
        """Never: that was decided before anybody was asked for a token."""
        return False

    def decode_json(self, data: str | bytes) -> object:
        """JSON without what only Python takes for it: NaN, half a surrogate pair, nesting without end."""
        return orjson.loads(data)

    def encode_json(self, data: object) -> str:
        """JSON as text, which a WebSocket needs."""
        return orjson.dumps(data).decode()

    async def parse_http_body(self, request: AsyncHTTPRequestAdapter) -> GraphQLRequestData:
        """The one operation that a request asks for.

        Raises:
            BadRequest, HTTPException: it is none.
        """
        if not isinstance(request, PostedRequest):
            raise TypeError
        if request.method == "GET":
            given = {name: value for name, value in request.query_params.items() if value}
            data: Any = self.parse_query_params(given)
        else:
            data = await read_body(request, self._options.request_bytes, self.parse_json)
        operation = operation_of(data)
        operation.protocol = self._protocol(request.headers.get("accept", ""), operation)
        return operation

    def _protocol(self, accept: str, operation: GraphQLRequestData) -> Any:
        """How an operation is answered: as events, or as one document."""
        if negotiation.wants_only_events(accept):
            return "sse"
        if not self.schema.documents.is_subscription(operation.query or "", operation.operation_name):
            return "http"
        if negotiation.EVENTS in negotiation.accepted(accept):
            return "sse"
        raise HTTPException(406, _STREAM_OR_NOT)

    # -- what is answered ---------------------------------------------------------------------------------------

    async def get_sub_response(self, request: Request | WebSocket) -> Response:
        """What is known of the answer before there is one: its media type."""
        response = await super().get_sub_response(request)
        response.media_type = negotiation.answer_type(request.headers.get("accept", ""))
        return response

    async def execute_operation(
        self,
        request: Request,
        request_adapter: AsyncHTTPRequestAdapter,
        request_data: Any,
        context: Context,
        root_value: None,
        sub_response: Response,
    ) -> Any:
        """Run an operation, and choose the status of its answer."""
        if request_data.protocol == "sse":
            self.schema.documents.admit(request_data.query, request_data.operation_name, context.identity)
        result: Any = await super().execute_operation(
            request, request_adapter, request_data, context, root_value, sub_response
        )
        if not isinstance(result, ExecutionResult):
            return while_valid(result, context, self.door.vigil)
        strict = sub_response.media_type == negotiation.RESPONSE or is_multipart(request)
        sub_response.status_code = negotiation.status(result, strict=strict)
        return result

    async def process_result(self, request: Request, result: ExecutionResult) -> GraphQLHTTPResponse:  # noqa: ARG002
        """What is sent for a result."""
        return negotiation.body(result)

    def create_response(self, response_data: Any, sub_response: Response) -> Response:
        """The answer that is one document."""
        return _document(orjson.dumps(response_data), sub_response.status_code, str(sub_response.media_type))


def _document(content: bytes, status: int, media_type: str) -> Response:
    headers = {"Cache-Control": "no-store"}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(content, status, headers, f"{media_type}; charset=utf-8")


def _error(request: Request, fault: Fault, status: int) -> Response:
    """The answer to a request that is not run."""
    error = present(GraphQLError(str(fault), original_error=fault), _request_id(request))
    accept = request.headers.get("accept", "")
    content = orjson.dumps({"errors": [error.formatted]})
    response = _document(content, status, negotiation.answer_type(accept))
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = "GET, POST"
    if isinstance(fault, RateExceeded):
        response.headers["Retry-After"] = str(fault.retry_after)
    return response


def _request_id(connection: HTTPConnection) -> str:
    """The id that the surroundings gave to this request."""
    return str(connection.scope["state"]["request_id"])


def _note(identity: Identity | None) -> None:
    """Have the log tell who asks."""
    if identity:
        structlog.contextvars.bind_contextvars(user=identity.email)
