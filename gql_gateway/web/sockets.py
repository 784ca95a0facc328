"""GraphQL over WebSocket: graphql-transport-ws, strict about what it is sent, closed when its token expires.

Differences to Strawberry's handler (0.341.2), each with its reason:
- Any JSON is taken for a message there: a list or a number raises TypeError and closes with 1006. Here every part of a
  message is checked first, and closed with 4400 in words. (Upstream: check the shape in `handle_message`.)
- A syntax error closes the whole socket there; here it ends its operation, as validation errors do there too.
- Nothing closes a socket there when the token that opened it expires or is revoked.
- A provider that does not answer looks like a refusal there, which clients take for final.
"""

import asyncio
from typing import Any, Protocol

from graphql import GraphQLError
from starlette.websockets import WebSocketState
from strawberry.asgi import ASGIWebSocketAdapter
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
    Operation,
)
from strawberry.subscriptions.protocols.graphql_transport_ws.types import (
    ConnectionInitMessage,
    Message,
    SubscribeMessage,
)

from gql_gateway.api.context import Context
from gql_gateway.api.errors import present
from gql_gateway.core.errors import LimitExceeded, RateExceeded, Unavailable
from gql_gateway.web.door import Door
from gql_gateway.web.vigil import Over

FORBIDDEN = 4403
SERVICE_RESTART = 1012
INVALID = 4400
TRY_AGAIN = 1013
_REASON_BYTES = 123
"""What a close frame has room for (RFC 6455, 5.5)."""


class Socket(ASGIWebSocketAdapter):
    """A connection that can be closed twice and written to after its end without harm."""

    async def send_json(self, message: Any) -> None:
        """Send one message as text.

        Raises:
            WebSocketDisconnected: nobody is there any more.
        """
        if self.ws.application_state is not WebSocketState.CONNECTED:
            raise WebSocketDisconnected
        await super().send_json(message)

    async def close(self, code: int, reason: str) -> None:
        """Close with a reason, cut to what fits; nothing where it is closed."""
        if self.ws.application_state is WebSocketState.CONNECTED:
            await self.ws.close(code, reason.encode()[:_REASON_BYTES].decode(errors="ignore"))


class Guarded(Protocol):
    """An endpoint behind a door."""

    door: Door


class SocketHandler(BaseGraphQLTransportWSHandler[Context, None]):
    """One connection."""

    _over: Over | None = None
    """Says when the token that opened the connection stops working."""
    _closing: asyncio.Task[None] | None = None

    @property
    def _door(self) -> Door:
        endpoint: Guarded = self.view  # type: ignore[assignment]  # the endpoint's, which makes these handlers
        return endpoint.door

    async def handle_message(self, message: Message) -> None:
        """Take one message, or close with what is wrong with it."""
        if fault := malformed(message):
            await self.handle_invalid_message(fault)
        else:
            await super().handle_message(message)

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        """Let the caller in, for as long as the token is good."""
        try:
            await super().handle_connection_init({**message, "payload": message.get("payload") or {}})
        except Unavailable as fault:
            await self.websocket.close(TRY_AGAIN, str(fault))
            return
        identity, token = self.context.identity, self.context.token
        if self.connection_acknowledged and identity and token and not self._over:
            self._over = self._door.vigil.begin(token, identity)
            self._over.add_done_callback(self._close)
            # Strawberry keeps the task that waited for this until the connection ends, with all that it holds.
            self.connection_init_timeout_task = None

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        """Begin an operation, unless there are too many."""
        most = self.max_subscriptions_per_connection
        if self.connection_acknowledged and most is not None and len(self.operations) >= most:
            cause = LimitExceeded(f"This connection has {most} operations that run, which is the limit.")
            error = present(GraphQLError(str(cause), original_error=cause), self.context.request_id)
            await self.send_message({"id": message["id"], "type": "error", "payload": [error.formatted]})
        else:
            await super().handle_subscribe(message)

    async def run_operation(self, operation: Operation[Context, None]) -> None:
        """Run an operation, unless its caller asks too often."""
        try:
            await self._door.allowance.request(self.context.caller.email)
        except RateExceeded as cause:
            error = present(GraphQLError(str(cause), original_error=cause), self.context.request_id)
            await operation.send_initial_errors([error])
        else:
            await super().run_operation(operation)

    async def handle_task_exception(self, error: Exception) -> None:
        """Log what broke an operation off, but for a client that left."""
        if not isinstance(error, WebSocketDisconnected):
            await super().handle_task_exception(error)

    async def shutdown(self) -> None:
        """End everything that runs on this connection."""
        if self._over:
            self._door.vigil.end(self.context.token or "", self._over)
        if self._closing:
            self._closing.cancel()
        await super().shutdown()

    def _close(self, over: Over) -> None:
        """Close the connection: the token that opened it stopped working, or the gateway ends."""
        if not over.cancelled():
            fault = over.result()
            code = SERVICE_RESTART if isinstance(fault, Unavailable) else FORBIDDEN
            self._closing = asyncio.create_task(self.websocket.close(code, str(fault)))

    @staticmethod
    def _get_pre_execution_close_reason(_error: GraphQLError) -> str | None:
        """Nothing that is wrong with one operation closes the socket of all."""
        return None


def malformed(message: object) -> str | None:
    """What is wrong with the shape of a message; None where it is one of graphql-transport-ws."""
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return "A message must be a JSON object with a type."
    kind, payload = message["type"], message.get("payload")
    if kind in {"subscribe", "complete"} and not (isinstance(message.get("id"), str) and message["id"]):
        return f"A `{kind}` message must have an id: a text that is not empty."
    if kind == "subscribe":
        return _malformed_operation(payload)
    if kind in {"connection_init", "ping", "pong"} and not isinstance(payload, dict | None):
        return f"The payload of `{kind}` must be an object."
    return None


def _malformed_operation(payload: object) -> str | None:
    if not isinstance(payload, dict) or not isinstance(payload.get("query"), str):
        return "The payload of `subscribe` must be an object with a query: a text."
    if not isinstance(payload.get("operationName"), str | None):
        return "`operationName` must be a text."
    for name in ("variables", "extensions"):
        if not isinstance(payload.get(name), dict | None):
            return f"`{name}` must be an object."
    return None
