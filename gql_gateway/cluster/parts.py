"""Uploads that may be cut: their parts lie on the cluster, beside the job, until they are whole."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum

from gql_gateway.cluster.agent.wire import LENGTH
from gql_gateway.cluster.bulk import Bulk, limited, pieces
from gql_gateway.cluster.channel import Header, frame
from gql_gateway.cluster.config import ClusterConfig
from gql_gateway.cluster.files import parts_of
from gql_gateway.cluster.journal import Journal, Observer
from gql_gateway.cluster.remote import Remote
from gql_gateway.cluster.ssh import Process
from gql_gateway.core.paths import JobPath

CHECKED_PER_SECOND = 20 * 2**20
"""Bytes of which a slow file system's checksum is waited for."""


class PartState(StrEnum):
    """What became of a part, or of the try to add to it."""

    OPEN = "open"
    DONE = "done"
    BUSY = "busy"
    """Another request adds to it."""
    ELSEWHERE = "elsewhere"
    """It does not stand where the request wanted to go on."""
    MISMATCH = "mismatch"
    """It was whole and had another SHA-256; it is gone."""


@dataclass(frozen=True, slots=True)
class Part:
    """An upload: `part_id` names it, 32 hexadecimal digits; `size` in bytes of the whole; `sha256` in such digits."""

    part_id: str
    path: JobPath
    size: int
    sha256: str | None
    overwrite: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a part got, in bytes; `sha256` in hexadecimal digits of one that is whole and held."""

    offset: int
    state: PartState
    sha256: str | None = None


class Parts:
    """Parts of one cluster. `folder` is the job's, relative to the root."""

    def __init__(self, config: ClusterConfig, control: Remote, bulk: Bulk, observe: Observer) -> None:
        self._config = config
        self._control = control
        self._bulk = bulk
        self._journal = Journal(config.name, "bulk", observe)

    async def begin(self, folder: str, part: Part) -> None:
        """Make room for an upload.

        Raises:
            Refused: FILE_EXISTS, LIMIT_EXCEEDED (no room for it), PATH_NOT_ALLOWED.
        """
        await self._ask("begin", folder, part)

    async def progress(self, folder: str, part: Part) -> Progress:
        """How far it got.

        Raises:
            Refused: FILE_NOT_FOUND: it was given up, or swept away.
        """
        return _progress(await self._ask("part", folder, part))

    async def drop(self, folder: str, part_id: str) -> None:
        """Give it up; one that is gone is no error."""
        fields = {"root": self._config.root, "job": parts_of(folder), "part": part_id}
        await self._control.call("drop_part", fields, seconds=self._config.file_timeout)

    async def append(
        self, folder: str, part: Part, offset: int, chunks: AsyncIterator[bytes], *, atomic: bool, hold: bool = False
    ) -> Progress:
        """Add to a part from `offset` on, which must be where it stands; what makes it whole puts it in its place.

        Where `chunks` raise, what came before stays, with `atomic` nothing of it. With `hold` a whole part stays where
        it is, its digest is told, and adding nothing without `hold` puts it in its place.

        Raises:
            Refused: FILE_NOT_FOUND as `progress`, FILE_TOO_LARGE (more than `size`), FILE_EXISTS, LIMIT_EXCEEDED.
        """
        if offset == part.size and part.sha256 is None and not hold:
            return await self._complete(folder, part, chunks)
        fields = {**self._fields(folder, part), "offset": offset, "atomic": atomic, "hold": hold}
        with self._journal.entry("append"):
            async with self._bulk.process() as process:
                process.stdin.write(frame({"id": 1, "op": "append", **fields}))
                began = _progress(await self._bulk.answer(process))
                if began.state is not PartState.OPEN:
                    return began
                return await self._relay(process, part, limited(chunks, part.size - offset))

    async def _complete(self, folder: str, part: Part, chunks: AsyncIterator[bytes]) -> Progress:
        """Put what was held in its place: no bytes, so it needs no agent of its own, which takes 60 ms to start."""
        async for _ in limited(chunks, 0):
            pass
        return _progress(await self._ask("complete", folder, part))

    async def _relay(self, process: Process, part: Part, chunks: AsyncIterator[bytes]) -> Progress:
        patience = self._config.file_timeout + part.size / CHECKED_PER_SECOND
        try:
            async for piece in pieces(chunks):
                await self._bulk.put(process, piece)
        except Exception:
            process.stdin.write(LENGTH.pack(0) + b"-")
            await self._bulk.answer(process, patience)
            raise
        process.stdin.write(LENGTH.pack(0) + b"+")
        return _progress(await self._bulk.answer(process, patience))

    async def _ask(self, op: str, folder: str, part: Part) -> Header:
        return (await self._control.call(op, self._fields(folder, part), seconds=self._config.file_timeout)).header

    def _fields(self, folder: str, part: Part) -> Header:
        return {
            "root": self._config.root,
            "job": parts_of(folder),
            "parts": list(part.path.on_disk),
            "part": part.part_id,
            "size": part.size,
            "sha256": part.sha256,
            "overwrite": part.overwrite,
            "stall": int(self._config.stall_timeout),
        }


def _progress(told: Header) -> Progress:
    return Progress(told["offset"], PartState(told["state"]), told.get("sha256"))
