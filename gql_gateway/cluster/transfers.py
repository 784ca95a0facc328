"""Bytes in and out: each transfer on a channel of its own in the bulk lanes, end to end, with bounded memory."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gql_gateway.cluster.agent.wire import LENGTH
from gql_gateway.cluster.bulk import Bulk, limited, pieces
from gql_gateway.cluster.channel import (
    LOST,
    AgentChannel,
    ConnectionGone,
    Header,
    Reply,
    frame,
    raise_error,
    read_frame,
)
from gql_gateway.cluster.config import ClusterConfig
from gql_gateway.cluster.files import Checksum, Download, FileEntry, entry_of, parts_of
from gql_gateway.cluster.journal import Journal, Observer
from gql_gateway.cluster.remote import Remote
from gql_gateway.cluster.ssh import Process
from gql_gateway.core.errors import ClusterTimeout, ClusterUnavailable
from gql_gateway.core.paths import JobPath

SMALL = 128 * 1024
"""Up to this size a file goes over the control lane in one frame: one round trip, where a new channel needs 60 ms."""
LONG_SECONDS = 3600.0


class Transfers:
    """Uploads, downloads and copies of one cluster."""

    def __init__(self, config: ClusterConfig, control: Remote, bulk: Bulk, observe: Observer) -> None:
        self._config = config
        self._control = control
        self._bulk = bulk
        self._journal = Journal(config.name, "bulk", observe)

    async def upload(
        self, folder: str, path: JobPath, chunks: AsyncIterator[bytes], *, limit: int | None, overwrite: bool
    ) -> FileEntry:
        """Write a file whole or not at all."""
        stream = pieces(limited(chunks, limit))
        begin = await _beginning(stream)
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
            reply = await self._send(fields, begin.data, stream)
        return entry_of(path, reply.header["entry"])

    async def _send(self, fields: Header, first: bytes, rest: AsyncIterator[bytes]) -> Reply:
        with self._journal.entry("upload"):
            return await self._stream(fields, first, rest)

    async def _stream(self, fields: Header, first: bytes, rest: AsyncIterator[bytes]) -> Reply:
        async with self._bulk.process() as process:
            process.stdin.write(frame({"id": 1, "op": "upload", **fields}))
            await self._bulk.put(process, first)
            async for piece in rest:
                await self._bulk.put(process, piece)
            return await self._finish(process)

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
            async with self._bulk.process() as process:
                process.stdin.write(frame({"id": 1, "op": "download", "length": length, **fields}))
                head = await self._bulk.answer(process)
                size = head["length"]
                yield Download(entry_of(path, head["entry"]), size, self._receive(process, size))

    async def _receive(self, process: Process, size: int) -> AsyncIterator[bytes]:
        """Exactly `size` bytes; where the file shrank on the way, or the connection ended, an error and no end."""
        while size:
            data = await self._bulk.read(process, size)
            if not data:
                raise ClusterUnavailable("The file became shorter, or the connection to the cluster was lost.")
            size -= len(data)
            yield data

    @asynccontextmanager
    async def archive(
        self, folder: str, path: JobPath, *, name: str, own: Sequence[str]
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a folder as a tar stream in which everything lies below `name`; `own` are the job's files to add."""
        parts = [*parts_of(folder), *path.on_disk]
        fields = {"root": self._config.root, "job": parts_of(folder), "parts": parts, "name": name, "own": list(own)}
        with self._journal.entry("archive"):
            async with self._bulk.process() as process:
                process.stdin.write(frame({"id": 1, "op": "archive", **fields}))
                await self._bulk.answer(process)
                yield self._stream_of(process)

    async def _stream_of(self, process: Process) -> AsyncIterator[bytes]:
        while size := await self._bulk.length(process):
            async for data in self._receive(process, size):
                yield data

    async def checksum(self, folder: str, path: JobPath) -> Checksum:
        """SHA-256 of a file, read on the cluster; leaving it early ends the reading."""
        fields = {"root": self._config.root, "parts": [*parts_of(folder), *path.on_disk]}
        with self._journal.entry("checksum"):
            reply = await self._alone("checksum", fields)
        return Checksum(entry_of(path, reply.header["entry"]), bytes.fromhex(reply.header["sha256"]))

    async def copy(self, source: str, target: str, paths: Sequence[JobPath], limit: int) -> list[JobPath]:
        """Copy files from one job to another on the cluster itself; those that are gone are left out."""
        wanted = [list(path.on_disk) for path in paths]
        folders = {"root": self._config.root, "from": parts_of(source), "job": parts_of(target)}
        fields = {**folders, "paths": wanted, "limit": limit}
        with self._journal.entry("copy"):
            reply = await self._alone("copy", fields)
        return [path for path in paths if list(path.on_disk) in reply.header["copied"]]

    async def _alone(self, op: str, fields: Header) -> Reply:
        """A request that takes long, to an agent of its own: it holds up nobody, and ends with its caller."""
        async with self._bulk.slot() as lane:
            try:
                async with AgentChannel(lane, self._config) as agent:
                    return await agent.request(op, fields, seconds=LONG_SECONDS)
            except ConnectionGone:
                raise ClusterTimeout("The connection to the cluster was lost before it answered.") from None


@dataclass(frozen=True, slots=True)
class _Beginning:
    """The first bytes of a stream, and whether they are all."""

    data: bytes
    whole: bool


async def _beginning(rest: AsyncIterator[bytes]) -> _Beginning:
    data = b""
    async for piece in rest:
        data += piece
        if len(data) > SMALL:
            return _Beginning(data, whole=False)
    return _Beginning(data, whole=True)


async def _one(data: bytes) -> AsyncIterator[bytes]:
    if data:
        yield data
