"""What a user may do with a job's files: list, look at, upload, download, delete, and follow one as it grows."""

import asyncio
import codecs
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import structlog

from gql_gateway.cluster.cluster import Cluster
from gql_gateway.cluster.files import Download, FileEntry
from gql_gateway.core import paths
from gql_gateway.core.audit import AuditAction
from gql_gateway.core.errors import ErrorCode, Refused, refuse
from gql_gateway.core.identity import Identity
from gql_gateway.core.states import FINAL
from gql_gateway.services.audit import note, note_reading
from gql_gateway.services.jobs import Jobs
from gql_gateway.services.room import Room
from gql_gateway.store import inputs
from gql_gateway.store.database import Database
from gql_gateway.store.tables import Job

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class FileLimits:
    """Bytes of one upload at most (None: no limit); seconds between two looks whether a followed job has ended."""

    upload_bytes: int | None = None
    final_look_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Chunk:
    """A part of a growing text file. `offset` is that of its first byte, `next_offset` where to go on."""

    path: str
    offset: int
    next_offset: int
    text: str
    end: bool


class Files:
    """Files of jobs. Every method takes the caller and finds the job by the caller's rights first."""

    def __init__(
        self,
        database: Database,
        clusters: Mapping[str, Cluster],
        jobs: Jobs,
        room: Room,
        limits: FileLimits | None = None,
    ) -> None:
        self._database = database
        self._clusters = clusters
        self._jobs = jobs
        self._room = room
        self._limits = limits or FileLimits()

    async def list(self, job: Job, path: str = "") -> list[FileEntry]:
        """Entries of a folder of a job that the caller was allowed to get, by name.

        Raises:
            Refused: PATH_NOT_ALLOWED, FILE_NOT_FOUND, CLUSTER_UNAVAILABLE, CLUSTER_TIMEOUT.
        """
        return await self._clusters[job.cluster].list(job.folder, paths.parse_folder(path))

    async def stat(self, job: Job, path: str) -> FileEntry:
        """One entry of a job that the caller was allowed to get.

        Raises:
            Refused: as `list`.
        """
        return await self._clusters[job.cluster].stat(job.folder, paths.parse(path))

    async def script_intact(self, job: Job) -> bool:
        """Whether run.sh on the cluster still holds the sealed text; what is submitted is the stored text all the same.

        Raises:
            Refused: CLUSTER_UNAVAILABLE, CLUSTER_TIMEOUT.
        """
        intact = await self._clusters[job.cluster].script_intact(job.folder, job.script_sha256)
        if not intact:
            log.warning("run.sh was changed on the cluster", job=job.id, cluster=job.cluster)
        return intact

    async def upload(
        self,
        identity: Identity,
        job_id: str | None,
        path: str,
        chunks: AsyncIterator[bytes],
    ) -> FileEntry:
        """Write a file from a stream: it appears whole under its name, or not at all. Folders on the way are made.

        Raises:
            Refused: NOT_FOUND, PATH_NOT_ALLOWED, FILE_PROTECTED, FILE_TOO_LARGE with the limit, FILE_EXISTS (a folder
                has that name), LIMIT_EXCEEDED (no room, too many transfers), CLUSTER_UNAVAILABLE, CLUSTER_TIMEOUT.
        """
        job = await self._jobs.require(identity, job_id)
        target = paths.parse_writable(path)
        limit = self._limits.upload_bytes
        async with self._room.transfer(identity):
            await self._room.admit(job)
            counted = self._room.counted(job, chunks)
            entry = await self._clusters[job.cluster].upload(job.folder, target, counted, limit=limit)
        async with self._database.transaction() as session:
            await inputs.add(session, job.id, str(target), at=datetime.now(UTC))
            await note(session, identity, AuditAction.UPLOAD, job, str(target))
        log.info("uploaded", job=job.id, user=identity.email, bytes=entry.size)
        return entry

    async def delete(self, identity: Identity, job_id: str | None, path: str) -> str:
        """Delete a file, or a folder with what it holds; a link itself and never what it points to.

        Raises:
            Refused: NOT_FOUND, PATH_NOT_ALLOWED, FILE_PROTECTED, FILE_NOT_FOUND, CLUSTER_UNAVAILABLE, CLUSTER_TIMEOUT.
        """
        job = await self._jobs.require(identity, job_id)
        target = paths.parse_writable(path)
        await self._clusters[job.cluster].delete(job.folder, target)
        async with self._database.transaction() as session:
            await inputs.forget(session, job.id, str(target))
            await note(session, identity, AuditAction.DELETE_FILE, job, str(target))
        log.info("file deleted", job=job.id, user=identity.email)
        return str(target)

    async def download(
        self, identity: Identity, job_id: str, path: str, *, offset: int = 0, length: int | None = None
    ) -> AbstractAsyncContextManager[Download]:
        """Open a regular file for reading from `offset` on: an async context manager over its bytes.

        Raises:
            Refused: NOT_FOUND, PATH_NOT_ALLOWED, FILE_NOT_FOUND, CLUSTER_UNAVAILABLE, CLUSTER_TIMEOUT.
        """
        job = await self._jobs.require(identity, job_id)
        checked = paths.parse(path)
        await note_reading(self._database, identity, AuditAction.DOWNLOAD, job, str(checked))
        opening = self._clusters[job.cluster].download(job.folder, checked, offset=offset, length=length)
        return self._one_of(identity, opening)

    @asynccontextmanager
    async def _one_of(
        self, identity: Identity, opening: AbstractAsyncContextManager[Download]
    ) -> AsyncIterator[Download]:
        """Open a download as one of the caller's transfers."""
        async with self._room.transfer(identity), opening as download:
            yield download

    async def output(
        self, identity: Identity, job_id: str | None, path: str | None = None, offset: int = 0
    ) -> AsyncGenerator[Chunk]:
        """Follow a text file of a job from byte `offset` on as it grows; without `path`, Slurm's output.

        Waits for a job that is not launched and a file that is not there yet. Ends with a chunk whose `end` is True
        once the job is final and everything was sent.

        Raises:
            Refused: NOT_FOUND, PATH_NOT_ALLOWED, INVALID_INPUT (offset), and FILE_NOT_FOUND at the end where the file
                never came.
        """
        job = await self._jobs.require(identity, job_id)
        if offset < 0:
            raise refuse(ErrorCode.INVALID_INPUT, "`offset` is a number of bytes from the start: 0 or more.", "offset")
        checked = paths.parse(path) if path is not None else None
        async with self._database.signal.listen(job.id) as bell:
            while checked is None:
                if job.slurm_job_id:
                    checked = paths.parse(paths.output_name(job.slurm_job_id))
                elif job.state in FINAL:
                    yield Chunk("", offset, offset, "", end=True)
                    return
                else:
                    await bell.wait(self._limits.final_look_seconds)
                    job = await self._jobs.require(identity, job.id)
        await note_reading(self._database, identity, AuditAction.READ_OUTPUT, job, str(checked))
        async with aclosing(self._follow(job, checked, offset)) as chunks:
            async for chunk in chunks:
                yield chunk

    async def read(self, job: Job, path: str | None, offset: int | None, limit: int) -> Chunk | None:
        """A part of a file of a job that the caller was allowed to get, without `offset` its end.

        `end` says that the job is final and the part reaches the end of the file. None: Slurm's output of a job that
        Slurm never had.

        Raises:
            Refused: PATH_NOT_ALLOWED, FILE_NOT_FOUND, CLUSTER_UNAVAILABLE, CLUSTER_TIMEOUT.
        """
        if path is None and job.slurm_job_id is None:
            return None
        target = paths.parse(paths.output_name(job.slurm_job_id or "") if path is None else path)
        cluster = self._clusters[job.cluster]
        size = (await cluster.stat(job.folder, target)).size
        start = max(0, size - limit) if offset is None else min(offset, size)
        decoder = _Decoder(str(target), start)
        async with cluster.download(job.folder, target, offset=start, length=min(limit, size - start)) as download:
            data = b"".join([part async for part in download.chunks])
        whole = start + len(data) >= size
        chunk = decoder.feed(data) or decoder.nothing()
        if whole and (rest := decoder.finish()).text:
            chunk = Chunk(chunk.path, chunk.offset, rest.next_offset, chunk.text + rest.text, end=False)
        return replace(chunk, end=whole and job.state in FINAL)

    async def _follow(self, job: Job, path: paths.JobPath, offset: int) -> AsyncGenerator[Chunk]:
        decoder = _Decoder(str(path), offset)
        cluster = self._clusters[job.cluster]
        ended = asyncio.Event()
        # A task and no TaskGroup: a generator that yields inside one is cancelled by whoever closes it (PEP 789).
        waiter = asyncio.create_task(self._until_final(job, ended))
        try:
            async with aclosing(cluster.follow(job.folder, path, offset, until=ended)) as parts:
                async for _, data in parts:
                    if chunk := decoder.feed(data):
                        yield chunk
            await waiter
        finally:
            waiter.cancel()
        yield decoder.finish()

    async def _until_final(self, job: Job, ended: asyncio.Event) -> None:
        try:
            async with self._database.signal.listen(job.id) as bell:
                while not await self._jobs.is_over(job.id):
                    await bell.wait(self._limits.final_look_seconds)
        finally:
            ended.set()


class _Decoder:
    """Turns bytes as they come into text, never cutting a character in two: offsets lie between characters."""

    def __init__(self, path: str, offset: int) -> None:
        self._path = path
        self._offset = offset
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def feed(self, data: bytes) -> Chunk | None:
        """The text that is whole by now; None where that is none."""
        held = len(self._decoder.getstate()[0])
        text = self._decoder.decode(data)
        return self._chunk(text, held + len(data) - len(self._decoder.getstate()[0]), end=False) if text else None

    def nothing(self) -> Chunk:
        """No text: where nothing is whole yet."""
        return self._chunk("", 0, end=False)

    def finish(self) -> Chunk:
        """The rest, and the end."""
        held = len(self._decoder.getstate()[0])
        return self._chunk(self._decoder.decode(b"", final=True), held, end=True)

    def _chunk(self, text: str, size: int, *, end: bool) -> Chunk:
        start, self._offset = self._offset, self._offset + size
        return Chunk(self._path, start, self._offset, text, end)


def file_missing(refused: Refused) -> bool:
    """Whether a refusal only says that there is no such file, which a reader shows as null."""
    return refused.code in {ErrorCode.FILE_NOT_FOUND, ErrorCode.PATH_NOT_ALLOWED}
