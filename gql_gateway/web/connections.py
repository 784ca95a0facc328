"""Connections of clients that are slow or send too much: cut, so that none of them keeps what others need.

uvicorn (0.54) waits for ever for the end of a request's head, however long, for a body that never comes, and for a
reader that never reads. A request's head is bounded in bytes and seconds here; a body must come, and an answer be
read, at some pace.
"""

import asyncio
from dataclasses import dataclass

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

log = structlog.get_logger()

_LEAST = 1024
"""Bytes of a body that must come while `stall_seconds` pass."""


@dataclass(frozen=True, slots=True)
class Patience:
    """`head_seconds` for a request's line and headers, of `head_bytes` at most (and what came with the last of them).

    `stall_seconds`: so long a body may bring next to nothing, and an answer not be read (the kernel's buffers and 48
    KiB more must be taken for it to count).
    """

    head_bytes: int = 64 * 1024
    head_seconds: float = 15.0
    stall_seconds: float = 60.0


class _Reading(asyncio.Protocol):
    """A connection whose reader must go on reading."""

    patience = Patience()
    transport: asyncio.Transport
    _unread: asyncio.TimerHandle | None = None

    def pause_writing(self) -> None:
        """The client reads more slowly than it is written to."""
        super().pause_writing()
        loop = asyncio.get_running_loop()
        self._unread = self._unread or loop.call_later(self.patience.stall_seconds, self._cut, "answer")

    def resume_writing(self) -> None:
        """It has read most of what waited."""
        super().resume_writing()
        self._read()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        super().connection_lost(exc)
        self._read()

    def _read(self) -> None:
        if self._unread:
            self._unread.cancel()
            self._unread = None

    def _cut(self, what: str) -> None:
        """Drop the connection with what waits in it: a polite close would wait for the reader."""
        log.info("slow client cut", waited_for=what)
        self.transport.abort()


class BoundedSocket(_Reading, WebSocketsSansIOProtocol):
    """A WebSocket."""


class BoundedHttp(_Reading, HttpToolsProtocol):
    """A connection for HTTP."""

    _head: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _begun = False
    """Whether a byte of a request's head has come."""
    _whole = True
    """Whether the last request's body has come to its end, which may be after its answer."""
    _body: asyncio.TimerHandle | None = None
    _arrived = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client is there: its first request must follow."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone."""
        super().connection_lost(exc)
        self._head_is_over()
        self._body_is_over()

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        if self._head is None and self._whole and self._answered:
            self._await_head()
        self._arrived += len(data)
        super().data_received(data)
        if self._head:
            self._head_bytes += len(data)
            if self._head_bytes > self.patience.head_bytes:
                words = f"The headers of a request have at most {self.patience.head_bytes} bytes."
                self._refuse(b"431 Request Header Fields Too Large", words)

    @property
    def _answered(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def on_message_begin(self) -> None:
        """A request begins."""
        self._begun = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head is whole: its body must follow, where it has one."""
        self._begun = self._whole = False
        self._head_is_over()
        self._body_is_over()
        super().on_headers_complete()
        self._await_body()

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._body_is_over()
        self._whole = True
        super().on_message_complete()
        if self.cycle is not None and self.cycle.response_complete and not self.pipeline:
            # The end of a body that was answered before it: uvicorn forgot its patience when these bytes came.
            self._unset_keepalive_if_required()
            after = self.timeout_keep_alive
            self.timeout_keep_alive_task = self.loop.call_later(after, self.timeout_keep_alive_handler)

    def _await_head(self) -> None:
        words = f"The headers of a request must come within {self.patience.head_seconds:g} s."
        self._head_bytes = 0
        self._head = self.loop.call_later(self.patience.head_seconds, self._refuse, b"408 Request Timeout", words)

    def _head_is_over(self) -> None:
        if self._head:
            self._head.cancel()
            self._head = None

    def _await_body(self) -> None:
        self._body = self.loop.call_later(self.patience.stall_seconds, self._look_at_body, self._arrived)

    def _body_is_over(self) -> None:
        if self._body:
            self._body.cancel()
            self._body = None

    def _look_at_body(self, before: int) -> None:
        """See how much came; nothing can while the gateway itself does not read, or has not said `100 Continue`."""
        ours = self.flow.read_paused or (self.cycle is not None and self.cycle.waiting_for_100_continue)
        if ours or self._arrived - before >= _LEAST:
            self._await_body()
        else:
            self._cut("body")

    def _refuse(self, status: bytes, words: str) -> None:
        """Say why, where nobody speaks, and close."""
        self._head_is_over()
        if self.transport.is_closing():
            return
        content = b'{"error":{"code":"LIMIT_EXCEEDED","message":"%s"}}' % words.encode()
        head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        # Who asked for nothing is told nothing: the next request may be on its way, and take it for its own answer.
        if self._begun and self._answered:
            self.transport.write(head % (status, len(content)) + content)
        self.transport.close()


def protocols(patience: Patience) -> tuple[type[BoundedHttp], type[BoundedSocket]]:
    """Classes for uvicorn, which makes an object of one for each connection and gives it no choice but the class."""
    words = {"patience": patience}
    return type("BoundedHttp", (BoundedHttp,), words), type("BoundedSocket", (BoundedSocket,), words)
