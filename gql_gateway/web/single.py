"""graphql-sse's single connection: one stream of events carries the results of all operations of a page.

Browsers open six connections to one site over HTTP/1, so six subscriptions would take them all. A PUT reserves a stream
and answers with its token, one GET opens it, and each operation is a request of its own that names the stream by its
token and itself by `extensions.operationId` (docs/decisions/0071). A stream lives in the process that reserved it.
"""

import asyncio
import secrets
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any

import orjson
import structlog
from cross_web import HTTPException
from starlette.requests import Request
from strawberry.types import ExecutionResult

from gql_gateway.core.errors import LimitExceeded, Unauthenticated
from gql_gateway.core.identity import Identity
from gql_gateway.web import negotiation
from gql_gateway.web.events import Events
from gql_gateway.web.vigil import GOODBYE_SECONDS, Over, Vigil

log = structlog.get_logger()

TOKEN_HEADER = "x-graphql-event-stream-token"  # noqa: S105 - a header's name
TOKEN_PARAMETER = "token"  # noqa: S105 - a parameter's name
_LONGEST_ID = 255
_EVENTS = Events()
_NOT_HERE = (
    "There is no stream with this token here: it has ended, was not opened in time, or belongs to another process of "
    "the gateway. Reserve a new one by PUT."
)


@dataclass(frozen=True, slots=True)
class SingleOptions:
    """`seconds` until a reserved stream must be opened; streams of one user, and operations of one stream, at once."""

    seconds: float = 30.0
    streams: int = 50
    operations: int = 100


@dataclass(slots=True)
class Single:
    """A reserved stream. `credential` is the token that its reservation came with: it ends with that."""

    identity: Identity
    credential: str
    most: int
    is_open: bool = False
    _operations: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    # An operation waits until its reader has taken what was there: nothing is held without bound.
    _texts: asyncio.Queue[str] = field(default_factory=lambda: asyncio.Queue(1))

    def check(self, operation_id: object) -> str:
        """The id of a new operation.

        Raises:
            HTTPException: it is none, or is in use.
            LimitExceeded: too many operations run.
        """
        if not (isinstance(operation_id, str) and 0 < len(operation_id) <= _LONGEST_ID):
            words = f"`extensions.operationId` must name the operation: a text of 1 to {_LONGEST_ID} characters."
            raise HTTPException(400, words)
        if operation_id in self._operations:
            raise HTTPException(409, "An operation with this `operationId` runs on this stream.")
        if len(self._operations) >= self.most:
            raise LimitExceeded(f"This stream has {self.most} operations that run, which is the limit.")
        return operation_id

    def run(self, operation_id: str, results: AsyncGenerator[ExecutionResult, None]) -> None:
        """Begin to send the results of an operation."""
        self._operations[operation_id] = asyncio.create_task(self._send(operation_id, results))

    def stop(self, operation_id: str) -> None:
        """End an operation; nothing more is sent of it. One that has ended by itself is no error."""
        if task := self._operations.pop(operation_id, None):
            task.cancel()

    def end(self) -> None:
        """End every operation."""
        for operation_id in list(self._operations):
            self.stop(operation_id)

    async def _send(self, operation_id: str, results: AsyncGenerator[ExecutionResult, None]) -> None:
        try:
            async with aclosing(results):
                async for result in results:
                    await self._put("next", {"id": operation_id, "payload": negotiation.body(result)})
            await self._put("complete", {"id": operation_id})
        except Exception:
            log.exception("operation broke off")  # the others go on
        finally:
            if self._operations.get(operation_id) is asyncio.current_task():
                del self._operations[operation_id]

    async def _put(self, event: str, data: dict[str, Any]) -> None:
        await self._texts.put(_EVENTS.encode_event(event, orjson.dumps(data).decode()))

    async def texts(self, over: Over) -> AsyncGenerator[str, None]:
        """What is sent, until the token stops working or the gateway ends; then what its operations say of that."""
        while (text := await self._next(over)) is not None:
            yield text
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_SECONDS):
                while self._operations or not self._texts.empty():
                    yield await self._texts.get()

    async def _next(self, over: Over) -> str | None:
        """The next event, or a sign of life; None: it is over."""
        coming = asyncio.ensure_future(self._texts.get())
        try:
            first: set[asyncio.Future[Any]] = {coming, over}
            await asyncio.wait(first, timeout=_EVENTS.heartbeat_interval, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not coming.done():
                coming.cancel()
        if coming.done() and not coming.cancelled():
            return coming.result()
        return None if over.done() else _EVENTS.encode_comment("ping")


class Singles:
    """The streams of this process, by their tokens."""

    def __init__(self, vigil: Vigil, options: SingleOptions) -> None:
        self._vigil = vigil
        self._options = options
        self._streams: dict[str, Single] = {}

    def reserve(self, identity: Identity | None, credential: str | None) -> str:
        """The token of a new stream, which must be opened soon.

        Raises:
            Unauthenticated: nobody asks.
            LimitExceeded: the caller has too many.
        """
        if identity is None or credential is None:
            raise Unauthenticated("A stream needs a token: `Authorization: Bearer …`.")
        most = self._options.streams
        if sum(one.identity.email == identity.email for one in self._streams.values()) >= most:
            raise LimitExceeded(f"You have {most} streams reserved or open, which is the limit: close one.")
        token = secrets.token_urlsafe(24)
        self._streams[token] = Single(identity, credential, self._options.operations)
        asyncio.get_running_loop().call_later(self._options.seconds, self._expire, token)
        return token

    def find(self, token: str, identity: Identity | None) -> Single:
        """The stream with this token. Who opens it need not say again who they are: `EventSource` cannot.

        Raises:
            HTTPException: it is not here, or not the caller's: the two look the same.
        """
        stream = self._streams.get(token)
        if stream is None or (identity is not None and identity.email != stream.identity.email):
            raise HTTPException(404, _NOT_HERE)
        return stream

    def open(self, token: str, stream: Single) -> AsyncGenerator[str, None]:
        """What a stream sends, for as long as its reader stays.

        Raises:
            HTTPException: it is open already.
        """
        if stream.is_open:
            raise HTTPException(409, "This stream is open: one connection carries it. Reserve another one by PUT.")
        stream.is_open = True
        return self._read(token, stream)

    async def _read(self, token: str, stream: Single) -> AsyncGenerator[str, None]:
        with self._vigil.watch(stream.credential, stream.identity) as over:
            try:
                async with aclosing(stream.texts(over)) as texts:
                    async for text in texts:
                        yield text
            finally:
                self._forget(token)

    def _expire(self, token: str) -> None:
        stream = self._streams.get(token)
        if stream and not stream.is_open:
            self._forget(token)

    def _forget(self, token: str) -> None:
        if stream := self._streams.pop(token, None):
            stream.end()


def stream_token(request: Request) -> str | None:
    """The token of the stream that a request is about, in its header or, for `EventSource`, in its address."""
    if token := request.headers.get(TOKEN_HEADER):
        return token
    return (request.query_params.get(TOKEN_PARAMETER) or None) if request.scope["query_string"] else None


def operation_named(request: Request) -> str:
    """The operation that a DELETE ends.

    Raises:
        HTTPException: it names none.
    """
    if operation_id := request.query_params.get("operationId"):
        return operation_id
    raise HTTPException(400, "The address must name the operation to end: `?operationId=…`.")
