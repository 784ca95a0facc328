"""What a user may do with uploads that may be cut: begin them, ask how far they got, go on, give them up."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from gql_gateway.cluster.cluster import Cluster
from gql_gateway.cluster.parts import Part, PartState, Progress
from gql_gateway.core import paths
from gql_gateway.core.audit import AuditAction
from gql_gateway.core.errors import ErrorCode, refuse
from gql_gateway.core.identity import Identity
from gql_gateway.core.ids import new_id
from gql_gateway.services.audit import note
from gql_gateway.services.jobs import Jobs
from gql_gateway.services.room import Room
from gql_gateway.store import inputs, uploads
from gql_gateway.store.database import Database
from gql_gateway.store.tables import Upload

log = structlog.get_logger()

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """Bytes of one upload at most; how long one may be continued, at most a day: older parts are swept away."""

    upload_bytes: int
    lifetime: timedelta


@dataclass(frozen=True, slots=True)
class Ticket:
    """An upload that was begun. `expires` in seconds since 1970."""

    job_id: str
    part: Part
    expires: int


class Uploads:
    """Uploads to jobs' folders. How far one got is known on the cluster alone, so any process may go on with it."""

    def __init__(
        self, database: Database, clusters: Mapping[str, Cluster], jobs: Jobs, room: Room, limits: UploadLimits
    ) -> None:
        self._database = database
        self._clusters = clusters
        self._jobs = jobs
        self._room = room
        self._limits = limits

    async def begin(
        self, identity: Identity, job_id: str | None, path: str, *, size: int, sha256: str | None, overwrite: bool
    ) -> Ticket:
        """Begin an upload of `size` bytes; `sha256` in hexadecimal digits is compared when all have come.

        Raises:
            Refused: NOT_FOUND, PATH_NOT_ALLOWED, FILE_PROTECTED, FILE_TOO_LARGE, FILE_EXISTS, INVALID_INPUT,
                LIMIT_EXCEEDED (no room), CLUSTER_UNAVAILABLE, CLUSTER_TIMEOUT.
        """
        job = await self._jobs.require(identity, job_id)
        part = Part(new_id(), paths.parse_writable(path), self._checked_size(size), _checked_digest(sha256), overwrite)
        await self._room.admit(job, size)
        expires = datetime.now(UTC).replace(microsecond=0) + self._limits.lifetime
        # Written down first: what is begun on the cluster and known to nobody would stay there.
        async with self._database.transaction() as session:
            await uploads.add(session, Upload(id=part.part_id, job_id=job.id, expires_at=expires))
        await self._clusters[job.cluster].parts.begin(job.folder, part)
        log.info("upload begun", job=job.id, user=identity.email, bytes=size)
        return Ticket(job.id, part, int(expires.timestamp()))

    async def progress(self, identity: Identity, ticket: Ticket) -> Progress:
        """How far an upload got.

        Raises:
            Refused: NOT_FOUND (the job), FILE_NOT_FOUND (it was given up), CLUSTER_UNAVAILABLE, CLUSTER_TIMEOUT.
        """
        job = await self._jobs.require(identity, ticket.job_id)
        return await self._clusters[job.cluster].parts.progress(job.folder, ticket.part)

    async def append(
        self, identity: Identity, ticket: Ticket, offset: int, chunks: AsyncIterator[bytes], *, atomic: bool, hold: bool
    ) -> Progress:
        """Go on with an upload at `offset`; with the last byte the file appears under its name.

        With `hold` it does not: its digest is told, and going on with nothing, and without `hold`, lets it appear.

        Raises:
            Refused: as `progress`, FILE_TOO_LARGE, FILE_EXISTS, LIMIT_EXCEEDED; and whatever `chunks` raise.
        """
        job = await self._jobs.require(identity, ticket.job_id)
        parts = self._clusters[job.cluster].parts
        async with self._room.transfer(identity):
            counted = self._room.counted(job, chunks)
            progress = await parts.append(job.folder, ticket.part, offset, counted, atomic=atomic, hold=hold)
        if progress.state is PartState.DONE:
            async with self._database.transaction() as session:
                await inputs.add(session, job.id, str(ticket.part.path), at=datetime.now(UTC))
                await note(session, identity, AuditAction.UPLOAD, job, str(ticket.part.path))
            log.info("uploaded", job=job.id, user=identity.email, bytes=ticket.part.size)
        return progress

    async def drop(self, identity: Identity, ticket: Ticket) -> None:
        """Give an upload up. A file that has its name already stays.

        Raises:
            Refused: as `progress`, but a second time is no error.
        """
        job = await self._jobs.require(identity, ticket.job_id)
        await self._clusters[job.cluster].parts.drop(job.folder, ticket.part.part_id)
        async with self._database.transaction() as session:
            await uploads.remove(session, ticket.part.part_id)

    def _checked_size(self, size: int) -> int:
        limit = self._limits.upload_bytes
        if size > limit:
            raise refuse(
                ErrorCode.FILE_TOO_LARGE,
                f"The file is larger than {limit} bytes, the limit for uploads.",
                "input",
                "size",
                detail=f"At most {limit} bytes.",
            )
        return size


def _checked_digest(sha256: str | None) -> str | None:
    if sha256 is None:
        return None
    if not _SHA256.fullmatch(sha256.lower()):
        raise refuse(ErrorCode.INVALID_INPUT, "sha256: must be 64 hexadecimal digits.", "input", "sha256")
    return sha256.lower()
