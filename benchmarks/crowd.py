"""Very many WebSocket clients in one process, that cost next to nothing themselves: they only count what comes.

A client library takes as much processor time for a message as the gateway does, and on a machine with few processors
its share would be measured. What the messages say is checked by the tests, and not here.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import orjson

_TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA
_HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n"
    "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
)
_AT_ONCE = 50


@dataclass
class Crowd:
    """Listeners, and how many events they had in all."""

    port: int
    path: str
    got: int = 0
    last: float = 0.0
    """When the last event came (`time.monotonic`, which is the same clock in every process)."""
    lost: list[str] = field(default_factory=list)
    """Why connections broke off, which none should."""
    _wanted: int = 0
    _all_there: asyncio.Event = field(default_factory=asyncio.Event)
    _listeners: list["Listener"] = field(default_factory=list)

    async def join(self, greetings: Sequence[Sequence[object]]) -> None:
        """Open one connection for each of these: the messages that it says, each behind an answer to the last."""
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(messages: Sequence[object]) -> None:
            async with gate:
                listener = Listener(self, self.path, [orjson.dumps(message) for message in messages])
                await asyncio.get_running_loop().create_connection(lambda: listener, "127.0.0.1", self.port)
                await listener.ready
                self._listeners.append(listener)

        async with asyncio.timeout(120):
            await asyncio.gather(*map(one, greetings))

    def note(self) -> None:
        """An event came."""
        self.got += 1
        if self.got == self._wanted:
            self.last = time.monotonic()
            self._all_there.set()

    def expect(self, more: int) -> None:
        """So many events are to come from here on."""
        self._wanted = self.got + more
        self._all_there.clear()

    async def everybody(self) -> float:
        """When the last of those that are expected came."""
        async with asyncio.timeout(60):
            await self._all_there.wait()
        assert not self.lost, self.lost
        return self.last

    def leave(self) -> None:
        """Hang up."""
        for listener in self._listeners:
            listener.hang_up()


class Listener(asyncio.Protocol):
    """One connection. What it hears while it still introduces itself is an answer, and no event."""

    def __init__(self, crowd: Crowd, path: str, greetings: list[bytes]) -> None:
        self._crowd = crowd
        self._path = path
        self._greetings = greetings
        self._held = b""
        self._open = self._left = False
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by inheritance
        self._transport.write(_HANDSHAKE.format(path=self._path).encode())

    def data_received(self, data: bytes) -> None:
        self._held += data
        if not self._open and b"\r\n\r\n" in self._held:
            head, _, self._held = self._held.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101"), head
            self._open = True
            self._go_on()
        while self._open and (frame := self._next()):
            self._take(*frame)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._left:
            self._crowd.lost.append(repr(exc))

    def hang_up(self) -> None:
        self._left = True
        self._transport.abort()

    def _next(self) -> tuple[int, bytes] | None:
        """The kind and content of the next whole frame."""
        if len(self._held) < 2:
            return None
        start, length = 2, self._held[1]
        if length >= 126:
            start = 4 if length == 126 else 10
            length = int.from_bytes(self._held[2:start])
        if len(self._held) < start + length:
            return None
        kind, content = self._held[0] & 0xF, self._held[start : start + length]
        self._held = self._held[start + length :]
        return kind, content

    def _take(self, kind: int, content: bytes) -> None:
        if kind == _PING:
            self._say(_PONG, content)
        elif kind == _TEXT and not self.ready.done():
            assert b'"error' not in content, content
            self._go_on()
        elif kind == _TEXT:
            assert b'"next"' in content, content
            self._crowd.note()

    def _go_on(self) -> None:
        if self._greetings:
            self._say(_TEXT, self._greetings.pop(0))
        else:
            self.ready.set_result(None)

    def _say(self, kind: int, content: bytes) -> None:
        """Send one frame, masked with zeros."""
        length = len(content)
        size = bytes([0x80 | length]) if length < 126 else bytes([0xFE]) + length.to_bytes(2)
        self._transport.write(bytes([0x80 | kind]) + size + bytes(4) + content)
