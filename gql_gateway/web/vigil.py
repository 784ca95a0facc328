"""Open streams end with the token that opened them: when it expires, and soon after it was revoked."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import structlog

from gql_gateway.core.identity import Identity
from gql_gateway.web.auth import TokenSource

log = structlog.get_logger()

EXPIRED = "The token has expired."

Over = asyncio.Future[str]


@dataclass(slots=True)
class _Held:
    """A token that opened streams, and who wants to know of its end."""

    identity: Identity
    waiting: set[Over] = field(default_factory=set)


class Vigil:
    """Watches the tokens of all open streams: each source is asked about all of them together, every `seconds`."""

    def __init__(self, sources: Sequence[TokenSource], seconds: float) -> None:
        self._sources = sources
        self._seconds = seconds
        self._held: dict[str, _Held] = {}
        self._watching: asyncio.Task[None] | None = None

    @contextmanager
    def watch(self, token: str, identity: Identity) -> Iterator[Over]:
        """A future that says why, once the token no longer works."""
        over: Over = asyncio.get_running_loop().create_future()
        held = self._held.setdefault(token, _Held(identity))
        held.waiting.add(over)
        expiry = asyncio.create_task(_expire(over, identity.expires_at)) if identity.expires_at else None
        if self._watching is None:
            self._watching = asyncio.create_task(self._watch())
        try:
            yield over
        finally:
            over.cancel()
            if expiry:
                expiry.cancel()
            self._release(token, held, over)

    def _release(self, token: str, held: _Held, over: Over) -> None:
        held.waiting.discard(over)
        if not held.waiting and self._held.get(token) is held:
            del self._held[token]
        if not self._held and self._watching:
            self._watching.cancel()
            self._watching = None

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            for token, reason in (await self._look()).items():
                for over in self._held[token].waiting if token in self._held else ():
                    _tell(over, reason)

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


async def _expire(over: Over, at: datetime) -> None:
    await asyncio.sleep((at - datetime.now(UTC)).total_seconds())
    _tell(over, EXPIRED)


def _tell(over: Over, reason: str) -> None:
    if not over.done():
        over.set_result(reason)
