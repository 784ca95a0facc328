"""Files as they grow: one follow at the agent for each file, however many watch.

What is shared is how far the file has grown and its newest bytes. A watcher that is behind those reads from its own
offset at its own pace, so a slow one costs itself a question and nobody memory.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

import structlog

from gql_gateway.cluster.channel import Reply
from gql_gateway.cluster.config import ClusterConfig
from gql_gateway.cluster.files import NOTICES
from gql_gateway.cluster.remote import Remote
from gql_gateway.core.errors import ClusterTimeout, ClusterUnavailable, GatewayError

log = structlog.get_logger()

READ = 64 * 1024
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0


class Shared:
    """What is known of one followed file."""

    def __init__(self) -> None:
        self.watchers = 0
        self.size = 0
        self.file: int | None = None
        self.generation = 0
        self.offset = 0
        self.newest = b""
        self.failure: GatewayError | None = None
        self._changed = asyncio.Event()

    def news(self, reply: Reply) -> None:
        """The file has grown, shrunk, or is another one."""
        told = reply.header["event"]
        if self.file is not None and (told["file"] != self.file or told["size"] < self.size):
            self.generation += 1
        self.file, self.size = told["file"], told["size"]
        self.offset, self.newest = told["offset"], reply.body
        self.ring()

    def failed(self, error: GatewayError) -> None:
        """Nothing more will come."""
        self.failure = error
        self.ring()

    def ring(self) -> None:
        """Wake everybody who waits."""
        self._changed.set()
        self._changed = asyncio.Event()

    @property
    def changed(self) -> asyncio.Event:
        """Set at the next change: take it before looking, so that none is missed."""
        return self._changed

    def since(self, offset: int) -> bytes | None:
        """The newest bytes from `offset` on; None where they begin behind it."""
        start = offset - self.offset
        return self.newest[start:] if 0 <= start < len(self.newest) else None


class Follows:
    """Every followed file of one cluster."""

    def __init__(self, config: ClusterConfig, remote: Remote) -> None:
        self._config = config
        self._remote = remote
        self._shared: dict[tuple[str, ...], tuple[Shared, asyncio.Task[None]]] = {}

    async def follow(
        self, parts: tuple[str, ...], offset: int, until: asyncio.Event | None
    ) -> AsyncGenerator[tuple[int, bytes]]:
        """Offset and bytes, from `offset` on, as they come; from 0 again when the file is replaced or cut.

        With `until` set, what is there by then still comes, and then the end.
        """
        async with self._watch(parts) as shared:
            generation = shared.generation
            while True:
                changed = shared.changed
                ending = until is not None and until.is_set()
                if shared.generation != generation:
                    generation, offset = shared.generation, 0
                data = await self._next(parts, shared, offset, ending=ending)
                if data:
                    yield offset, data
                    offset += len(data)
                elif ending:
                    return
                elif shared.failure:
                    raise shared.failure
                else:
                    await _first(changed, until)

    async def _next(self, parts: tuple[str, ...], shared: Shared, offset: int, *, ending: bool) -> bytes:
        """What stands at `offset`. At the end the file is asked itself, for its last bytes may not have been told."""
        if shared.failure is None and not ending:
            if offset >= shared.size:
                return b""
            if newest := shared.since(offset):
                return newest
        return await self.read(parts, offset)

    async def read(self, parts: tuple[str, ...], offset: int) -> bytes:
        """Up to 64 KiB from `offset` on."""
        reply = await self._remote.call(
            "read",
            {"root": self._config.root, "parts": list(parts), "offset": offset, "length": READ},
            seconds=self._config.file_timeout,
        )
        return reply.body

    @asynccontextmanager
    async def _watch(self, parts: tuple[str, ...]) -> AsyncIterator[Shared]:
        if parts not in self._shared:
            shared = Shared()
            self._shared[parts] = shared, asyncio.create_task(self._keep(parts, shared))
        shared, task = self._shared[parts]
        shared.watchers += 1
        try:
            yield shared
        finally:
            shared.watchers -= 1
            if not shared.watchers:
                task.cancel()
                if self._shared.get(parts, (None, None))[0] is shared:
                    del self._shared[parts]

    async def close(self) -> None:
        """End every follow; who watches is told so."""
        for shared, task in self._shared.values():
            task.cancel()
            shared.failed(ClusterUnavailable("The gateway is shutting down."))
        await asyncio.gather(*(task for _, task in self._shared.values()), return_exceptions=True)

    async def _keep(self, parts: tuple[str, ...], shared: Shared) -> None:
        """Follow, and again after each lost connection, until the file itself is the reason not to."""
        wait = FIRST_WAIT
        while True:
            size = shared.size
            try:
                await self._remote.follow(shared.news, {"root": self._config.root, "parts": list(parts)})
            except (ClusterUnavailable, ClusterTimeout):
                wait = FIRST_WAIT if shared.size != size else min(LONGEST_WAIT, wait * 2)
                await asyncio.sleep(wait)
            except GatewayError as error:
                shared.failed(error)
                return

    async def notices(self) -> AsyncGenerator[str]:
        """Lines that run.sh appends to the notice file from now on. Hints: some may be lost with a connection."""
        parts = tuple(NOTICES)
        wait = FIRST_WAIT
        while True:
            try:
                where = {"root": self._config.root, "parts": NOTICES}
                await self._remote.call("notices", where, seconds=self._config.file_timeout)
                async with aclosing(self._lines(parts)) as lines:
                    async for line in lines:
                        wait = FIRST_WAIT
                        yield line
            except GatewayError as error:
                log.info("no notices", cluster=self._config.name, error=str(error))
                wait = min(LONGEST_WAIT, wait * 2)
                await asyncio.sleep(wait)

    async def _lines(self, parts: tuple[str, ...]) -> AsyncGenerator[str]:
        """Whole lines behind the file's present end."""
        async with self._watch(parts) as shared:
            while shared.file is None:
                if shared.failure:
                    raise shared.failure
                await shared.changed.wait()
            held = b""
            async with aclosing(self.follow(parts, shared.size, None)) as news:
                async for _, data in news:
                    *lines, held = (held + data).split(b"\n")
                    for line in lines:
                        yield line.decode(errors="replace")


async def _first(changed: asyncio.Event, until: asyncio.Event | None) -> None:
    """Wait for either event."""
    waiting = [asyncio.create_task(event.wait()) for event in (changed, until) if event]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
