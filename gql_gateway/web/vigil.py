"""Open streams end with the token that opened them: when it expires, and soon after it was revoked.

They end with the gateway too, before it closes their connections: so each is told why.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from gql_gateway.core.errors import Fault, Unauthenticated, Unavailable
from gql_gateway.core.identity import Identity
from gql_gateway.web.auth import TokenSource

log = structlog.get_logger()

EXPIRED = "The token has expired."
GOODBYE = "The gateway is shutting down. Connect again, and go on behind your last cursor."
GOODBYE_SECONDS = 1.0

Over = asyncio.Future[Fault]


@dataclass(slots=True)
class _Held:
    """A token that opened streams, who wants to know of its end, and when it ends by itself."""

    identity: Identity
    waiting: set[Over] = field(default_factory=set)
    expiry: asyncio.TimerHandle | None = None

    def tell(self, fault: Fault) -> None:
        for over in self.waiting:
            if not over.done():
                over.set_result(fault)


class Vigil:
    """Watches the tokens of all open streams: each source is asked about all of them together, every `seconds`."""

    def __init__(self, sources: Sequence[TokenSource], seconds: float) -> None:
        self._sources = sources
        self._seconds = seconds
        self._held: dict[str, _Held] = {}
        self._watching: asyncio.Task[None] | None = None
        self._quiet = asyncio.Event()

    @contextmanager
    def watch(self, token: str, identity: Identity) -> Iterator[Over]:
        """A future that says why, once the stream is to end."""
        over = self.begin(token, identity)
        try:
            yield over
        finally:
            self.end(token, over)

    def begin(self, token: str, identity: Identity) -> Over:
        """As `watch`, for a stream whose end is told by `end`."""
        over: Over = asyncio.get_running_loop().create_future()
        held = self._held.get(token)
        if held is None:
            held = self._held[token] = _Held(identity)
            _expire(held)
        held.waiting.add(over)
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        return over

    def end(self, token: str, over: Over) -> None:
        """A stream has ended."""
        over.cancel()
        held = self._held[token]
        held.waiting.discard(over)
        if not held.waiting:
            del self._held[token]
            if held.expiry:
                held.expiry.cancel()
        if not self._held and self._watching:
            self._watching.cancel()
            self._watching = None
            self._quiet.set()

    async def say_goodbye(self) -> None:
        """End every stream, since the gateway ends; returns when they have ended, or soon."""
        self._quiet.clear()
        for held in self._held.values():
            held.tell(Unavailable(GOODBYE))
        if self._held:
            with suppress(TimeoutError):
                async with asyncio.timeout(GOODBYE_SECONDS):
                    await self._quiet.wait()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            for token, reason in (await self._look()).items():
                if held := self._held.get(token):
                    held.tell(Unauthenticated(reason))

    async def _look(self) -> Mapping[str, str]:
        """The tokens that no longer work, each with the reason."""
        held = {token: each.identity for token, each in self._held.items()}
        reasons: dict[str, str] = {}
        for source in self._sources:
            try:
                reasons.update(await source.ended(held))
            except Exception as error:  # noqa: BLE001 - whatever it is, the watch must go on
                log.warning("tokens of open streams were not checked", source=type(source).__name__, error=repr(error))
        return reasons


def _expire(held: _Held) -> None:
    """Tell of a token's end when it comes: one timer for all of its streams."""
    if at := held.identity.expires_at:
        seconds = (at - datetime.now(UTC)).total_seconds()
        held.expiry = asyncio.get_running_loop().call_later(seconds, held.tell, Unauthenticated(EXPIRED))
