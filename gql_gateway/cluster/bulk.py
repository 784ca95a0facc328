"""Channels of the bulk lanes: one agent each, which does one thing and is gone."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import NoReturn

from gql_gateway.cluster import bundle
from gql_gateway.cluster.agent.wire import LENGTH
from gql_gateway.cluster.channel import LOST, Header, greet, raise_error, read_frame
from gql_gateway.cluster.config import ClusterConfig
from gql_gateway.cluster.ssh import WINDOW, Lane, Process
from gql_gateway.core.errors import ClusterTimeout, ClusterUnavailable, ErrorCode, refuse

PIECE = 256 * 1024
PATIENCE = 30.0
BROKEN = "The connection to the cluster was lost."


class Bulk:
    """The bulk lanes of one cluster."""

    def __init__(self, config: ClusterConfig, lanes: Sequence[Lane]) -> None:
        self._config = config
        self._lanes = lanes
        self._free = asyncio.Semaphore(len(lanes) * config.channels)

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[Lane]:
        """A lane with room for one more channel.

        Raises:
            ClusterUnavailable: every one was in use for half a minute.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                await self._free.acquire()
        except TimeoutError:
            raise ClusterUnavailable("Too many transfers run at the moment; try again later.") from None
        try:
            yield next((lane for lane in self._lanes if not lane.busy), self._lanes[0])
        finally:
            self._free.release()

    @asynccontextmanager
    async def process(self) -> AsyncIterator[Process]:
        """An agent of its own, which is gone when it is left."""
        async with self.slot() as lane, lane.process(bundle.command(self._config.python)) as process:
            await greet(process, self._config)
            yield process

    async def put(self, process: Process, piece: bytes) -> None:
        """Write a piece when there is room for it. The agent may have ended before, with an answer that says why."""
        try:
            async with asyncio.timeout(self._config.stall_timeout):
                process.stdin.write(LENGTH.pack(len(piece)) + piece)
                await process.stdin.drain()
        except TimeoutError:
            raise ClusterTimeout("The cluster takes no more bytes.") from None
        except LOST as error:
            await self._why(process, error)

    async def _why(self, process: Process, error: BaseException) -> NoReturn:
        try:
            async with asyncio.timeout(self._config.connect_timeout):
                reply = await read_frame(process)
        except LOST:
            raise ClusterUnavailable(BROKEN) from error
        raise_error(reply.header["error"])

    async def answer(self, process: Process, seconds: float | None = None) -> Header:
        """The agent's next answer.

        Raises:
            ClusterTimeout: not within `seconds`, by default those of a small operation.
            ClusterUnavailable: the connection was lost.
            Refused: what the agent says.
        """
        try:
            async with asyncio.timeout(seconds or self._config.file_timeout):
                reply = await read_frame(process)
        except TimeoutError:
            raise ClusterTimeout("The cluster did not answer in time.") from None
        except LOST as error:
            raise ClusterUnavailable(BROKEN) from error
        if "error" in reply.header:
            raise_error(reply.header["error"])
        header: Header = reply.header["ok"]
        return header

    async def length(self, process: Process) -> int:
        """The length that stands before the next piece."""
        try:
            async with asyncio.timeout(self._config.stall_timeout):
                found: int = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))[0]
        except TimeoutError:
            raise ClusterTimeout("The cluster sends no more bytes.") from None
        except LOST as error:
            raise ClusterUnavailable("A file became shorter, or the connection to the cluster was lost.") from error
        return found

    async def read(self, process: Process, size: int) -> bytes:
        """The next bytes, at most `size`; none at the end.

        As many as there are: asyncssh (2.24) grants the server a whole window again with the first packet that it
        hands on behind a pause, whatever it still holds. With reads of 256 KiB, a reader at 4 MiB/s made the gateway
        hold 8 MiB more a second; with reads of a window, what it is granted is what was taken.
        """
        try:
            async with asyncio.timeout(self._config.stall_timeout):
                data: bytes = await process.stdout.read(min(WINDOW, size))
        except TimeoutError:
            raise ClusterTimeout("The cluster sends no more bytes.") from None
        except LOST as error:
            raise ClusterUnavailable(BROKEN) from error
        return data


async def limited(chunks: AsyncIterator[bytes], limit: int | None) -> AsyncIterator[bytes]:
    """The same bytes, up to the limit.

    Raises:
        Refused: FILE_TOO_LARGE, as soon as one byte too many comes.
    """
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if limit is not None and size > limit:
            raise refuse(ErrorCode.FILE_TOO_LARGE, f"The file is larger than {limit} bytes, the limit for uploads.")
        yield chunk


async def pieces(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in bearable pieces, none of them empty."""
    async for chunk in chunks:
        for start in range(0, len(chunk), PIECE):
            yield bytes(chunk[start : start + PIECE])
