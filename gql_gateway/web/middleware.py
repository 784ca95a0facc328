"""Around every request: an id, security headers, one log line, the metrics."""

import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gql_gateway.core.ids import new_id
from gql_gateway.web.metrics import Metrics

log = structlog.get_logger()

SECURITY_HEADERS: Mapping[str, str] = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}
_HEADERS = tuple((name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items())
_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NO_RESPONSE = 499


@dataclass(slots=True)
class _Watch:
    """Looks on as one request passes; counts what goes in and out."""

    receive: Receive
    send: Send
    request_id: str
    status: int = _NO_RESPONSE
    received: int = 0
    sent: int = 0
    done: bool = False

    async def receiving(self) -> Message:
        message = await self.receive()
        self.received += len(message.get("body", b""))
        return message

    async def sending(self, message: Message) -> None:
        if message["type"] in {"http.response.start", "websocket.http.response.start"}:
            self.status = message["status"]
            message["headers"] = _with_ours(message.get("headers", ()), self.request_id)
        await self.send(message)
        self.sent += len(message.get("body", b""))
        self.done = message["type"] == "http.response.body" and not message.get("more_body", False)


class Surroundings:
    """The outermost application: what follows sees `scope["state"]["request_id"]`, and logs carry it too."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        watch = _Watch(receive, send, request_id)
        # The server gives each of them a task; its context may be a copy of that of the one before on a connection.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)
        if scope["type"] == "websocket":
            await self._socket(scope, watch)
        else:
            await self._request(scope, watch)

    async def _request(self, scope: Scope, watch: _Watch) -> None:
        start = time.perf_counter()
        try:
            await self._app(scope, watch.receiving, watch.sending)
        except Exception:
            # It was logged and answered below this (web/errors.py). An answer that broke off must not look whole:
            # the server closes the connection when it gets the exception.
            if not watch.done:
                raise
        finally:
            self._tell(scope, watch, time.perf_counter() - start)

    async def _socket(self, scope: Scope, watch: _Watch) -> None:
        start = time.perf_counter()
        self._metrics.socket(+1)
        log.info("websocket open")
        try:
            await self._app(scope, watch.receive, watch.sending)
        finally:
            self._metrics.socket(-1)
            log.info("websocket closed", seconds=round(time.perf_counter() - start, 4))

    def _tell(self, scope: Scope, watch: _Watch, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "other"
        # The route and not the path: a path under /files/ is a secret, and a label must have few values.
        route = getattr(scope.get("route"), "path", "") or "other"
        self._metrics.request(route, method, watch.status, seconds, watch.received, watch.sent)
        tell = log.debug if route in _QUIET or route.startswith("/static") else log.info
        facts: dict[str, Any] = {"method": method, "route": route, "status": watch.status}
        tell("request", **facts, seconds=round(seconds, 4), received=watch.received, sent=watch.sent)


def _with_ours(headers: Iterable[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
    """An answer's headers with the request's id, and the security headers that it does not set itself."""
    told = [header for header in headers if header[0] != b"x-request-id"]
    names = {name for name, _ in told}
    ours = [header for header in _HEADERS if header[0] not in names]
    return [*told, (b"x-request-id", request_id.encode()), *ours]


def _request_id(scope: Scope) -> str:
    """The caller's own id for the request where it is one, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value.decode("latin-1")):
            return str(value.decode("latin-1"))
    return new_id()
