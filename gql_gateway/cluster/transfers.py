"""Bytes in and out: each transfer on a channel of its own in the bulk lanes, end to end, with bounded memory."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NoReturn

from gql_gateway.cluster import bundle
from gql_gateway.cluster.agent.transfer import LENGTH
from gql_gateway.cluster.channel import (
    LOST,
    AgentChannel,
    ConnectionGone,
    Header,
    Reply,
    frame,
    greet,
    raise_error,
    read_frame,
)
from gql_gateway.cluster.config import ClusterConfig
from gql_gateway.cluster.files import Download, FileEntry, entry_of, parts_of
from gql_gateway.cluster.journal import Journal, Observer
from gql_gateway.cluster.remote import Remote
from gql_gateway.cluster.ssh import Lane, Process
from gql_gateway.core.errors import ClusterTimeout, ClusterUnavailable, ErrorCode, refuse
from gql_gateway.core.paths import JobPath

PIECE = 256 * 1024
SMALL = 128 * 1024
"""Up to this size a file goes over the control lane in one frame: one round trip, where a new channel needs 60 ms."""
PATIENCE = 30.0
COPY_SECONDS = 3600.0


class Transfers:
    """Uploads, downloads and copies of one cluster."""

    def __init__(self, config: ClusterConfig, control: Remote, lanes: Sequence[Lane], observe: Observer) -> None:
        self._config = config
        self._control = control
        self._lanes = lanes
        self._journal = Journal(config.name, "bulk", observe)
        self._free = asyncio.Semaphore(len(lanes) * config.channels)

    async def upload(
        self, folder: str, path: JobPath, chunks: AsyncIterator[bytes], *, limit: int | None, overwrite: bool
    ) -> FileEntry:
        """Write a file whole or not at all."""
        pieces = _pieces(_limited(chunks, limit))
        begin = await _beginning(pieces)
        fields = {
            "root": self._config.root,
            "job": parts_of(folder),
            "parts": list(path.on_disk),
            "overwrite": overwrite,
        }
        if begin.whole:
            reply = await self._control.call(
                "write", fields, seconds=self._config.file_timeout, again=overwrite, body=begin.data
            )
        else:
            reply = await self._send(fields, begin.data, pieces)
        return entry_of(path, reply.header["entry"])

    async def _send(self, fields: Header, first: bytes, pieces: AsyncIterator[bytes]) -> Reply:
        with self._journal.entry("upload"):
            return await self._stream(fields, first, pieces)

    async def _stream(self, fields: Header, first: bytes, pieces: AsyncIterator[bytes]) -> Reply:
        async with self._process() as process:
            process.stdin.write(frame({"id": 1, "op": "upload", **fields}))
            await self._put(process, first)
            async for piece in pieces:
                await self._put(process, piece)
            return await self._finish(process)

    async def _put(self, process: Process, piece: bytes) -> None:
        """Write a piece when there is room for it. The agent may have ended before, with an answer that says why."""
        try:
            async with asyncio.timeout(self._config.stall_timeout):
                process.stdin.write(LENGTH.pack(len(piece)) + piece)
                await process.stdin.drain()
        except TimeoutError:
            raise ClusterTimeout("The cluster takes no more bytes; nothing was written.") from None
        except LOST as error:
            await self._why(process, error)

    async def _why(self, process: Process, error: BaseException) -> NoReturn:
        try:
            async with asyncio.timeout(self._config.connect_timeout):
                reply = await read_frame(process)
        except LOST:
            raise ClusterUnavailable("The connection to the cluster was lost; nothing was written.") from error
        raise_error(reply.header["error"])

    async def _finish(self, process: Process) -> Reply:
        """Say that the file is whole, and wait until it stands under its name."""
        try:
            async with asyncio.timeout(self._config.file_timeout):
                process.stdin.write(LENGTH.pack(0))
                reply = await read_frame(process)
        except LOST as error:
            raise ClusterTimeout("The cluster did not say whether the file was written.") from error
        if "error" in reply.header:
            raise_error(reply.header["error"])
        return Reply(reply.header["ok"], b"")

    @asynccontextmanager
    async def download(self, folder: str, path: JobPath, *, offset: int, length: int | None) -> AsyncIterator[Download]:
        """Open a regular file from `offset` on."""
        fields = {"root": self._config.root, "parts": [*parts_of(folder), *path.on_disk], "offset": offset}
        if length is None or length <= SMALL:
            reply = await self._control.call(
                "read", {"length": SMALL if length is None else length, **fields}, seconds=self._config.file_timeout
            )
            entry = entry_of(path, reply.header["entry"])
            wanted = max(0, entry.size - offset)
            wanted = wanted if length is None else min(wanted, length)
            if len(reply.body) >= wanted:
                yield Download(entry, wanted, _one(reply.body[:wanted]))
                return
        with self._journal.entry("download"):
            async with self._process() as process:
                process.stdin.write(frame({"id": 1, "op": "download", "length": length, **fields}))
                head = await self._answer(process)
                size = head["length"]
                yield Download(entry_of(path, head["entry"]), size, self._receive(process, size))

    async def _answer(self, process: Process) -> Header:
        try:
            async with asyncio.timeout(self._config.file_timeout):
                reply = await read_frame(process)
        except TimeoutError:
            raise ClusterTimeout("The cluster did not open the file in time.") from None
        except LOST as error:
            raise ClusterUnavailable("The connection to the cluster was lost.") from error
        if "error" in reply.header:
            raise_error(reply.header["error"])
        header: Header = reply.header["ok"]
        return header

    async def _receive(self, process: Process, size: int) -> AsyncIterator[bytes]:
        """Exactly `size` bytes; where the file shrank on the way, or the connection ended, an error and no end."""
        while size:
            try:
                async with asyncio.timeout(self._config.stall_timeout):
                    data = await process.stdout.read(min(PIECE, size))
            except TimeoutError:
                raise ClusterTimeout("The cluster sends no more bytes.") from None
            except LOST as error:
                raise ClusterUnavailable("The connection to the cluster was lost.") from error
            if not data:
                raise ClusterUnavailable("The file became shorter, or the connection to the cluster was lost.")
            size -= len(data)
            yield data

    async def copy(self, source: str, target: str, paths: Sequence[JobPath]) -> list[JobPath]:
        """Copy files from one job to another on the cluster itself; those that are gone are left out."""
        wanted = [list(path.on_disk) for path in paths]
        fields = {"root": self._config.root, "from": parts_of(source), "job": parts_of(target), "paths": wanted}
        with self._journal.entry("copy"):
            async with self._slot() as lane:
                try:
                    async with AgentChannel(lane, self._config) as agent:
                        reply = await agent.request("copy", fields, seconds=COPY_SECONDS)
                except ConnectionGone:
                    raise ClusterTimeout("The connection was lost before the files were copied.") from None
        return [path for path in paths if list(path.on_disk) in reply.header["copied"]]

    @asynccontextmanager
    async def _process(self) -> AsyncIterator[Process]:
        async with self._slot() as lane, lane.process(bundle.command(self._config.python)) as process:
            await greet(process, self._config)
            yield process

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[Lane]:
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


@dataclass(frozen=True, slots=True)
class _Beginning:
    """The first bytes of a stream, and whether they are all."""

    data: bytes
    whole: bool


async def _beginning(pieces: AsyncIterator[bytes]) -> _Beginning:
    data = b""
    async for piece in pieces:
        data += piece
        if len(data) > SMALL:
            return _Beginning(data, whole=False)
    return _Beginning(data, whole=True)


async def _limited(chunks: AsyncIterator[bytes], limit: int | None) -> AsyncIterator[bytes]:
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


async def _pieces(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in bearable pieces, none of them empty."""
    async for chunk in chunks:
        for start in range(0, len(chunk), PIECE):
            yield bytes(chunk[start : start + PIECE])


async def _one(data: bytes) -> AsyncIterator[bytes]:
    if data:
        yield data
