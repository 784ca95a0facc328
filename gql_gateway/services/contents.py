"""What a user may read of a job as a whole: a folder as one stream, a file's checksum."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from gql_gateway.cluster.cluster import Cluster
from gql_gateway.cluster.files import Checksum
from gql_gateway.core import paths
from gql_gateway.core.audit import AuditAction
from gql_gateway.core.identity import Identity
from gql_gateway.services.audit import note_reading
from gql_gateway.services.jobs import Jobs
from gql_gateway.services.room import Room
from gql_gateway.store.database import Database

_NO_PLAIN_NAME = re.compile(r"[^A-Za-z0-9._+@=-]+")


@dataclass(frozen=True, slots=True)
class Archive:
    """A folder as a tar stream; everything in it lies below a folder called `name`."""

    name: str
    opening: AbstractAsyncContextManager[AsyncIterator[bytes]]


class Contents:
    """Contents of jobs' folders. Every method takes the caller and finds the job by the caller's rights first."""

    def __init__(self, database: Database, clusters: Mapping[str, Cluster], jobs: Jobs, room: Room) -> None:
        self._database = database
        self._clusters = clusters
        self._jobs = jobs
        self._room = room

    async def archive(self, identity: Identity, job_id: str, path: str) -> Archive:
        """A folder of a job; an empty path is the job's own, with run.sh and Slurm's output.

        Left out is what is neither a file nor a folder. Opening it, and reading on, may raise what is said here.

        Raises:
            Refused: NOT_FOUND, PATH_NOT_ALLOWED, FILE_NOT_FOUND, CLUSTER_UNAVAILABLE, CLUSTER_TIMEOUT.
        """
        job = await self._jobs.require(identity, job_id)
        cluster = self._clusters[job.cluster]
        folder = paths.parse_folder(path)
        await note_reading(self._database, identity, AuditAction.DOWNLOAD, job, str(folder))
        name = folder.name or _NO_PLAIN_NAME.sub("_", job.name)
        own: list[str] = []
        if not folder.parts:
            own = [entry.name for entry in await cluster.list(job.folder, folder) if entry.protected]
        return Archive(name, self._one_of(identity, cluster.archive(job.folder, folder, name=name, own=own)))

    @asynccontextmanager
    async def _one_of(
        self, identity: Identity, opening: AbstractAsyncContextManager[AsyncIterator[bytes]]
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Open a stream as one of the caller's transfers."""
        async with self._room.transfer(identity), opening as chunks:
            yield chunks

    async def checksum(self, identity: Identity, job_id: str, path: str) -> Checksum:
        """SHA-256 of a regular file, read where it lies: it may take minutes, and ends with its caller.

        Raises:
            Refused: NOT_FOUND, PATH_NOT_ALLOWED, FILE_NOT_FOUND, CLUSTER_UNAVAILABLE, CLUSTER_TIMEOUT.
        """
        job = await self._jobs.require(identity, job_id)
        async with self._room.transfer(identity):
            return await self._clusters[job.cluster].checksum(job.folder, paths.parse(path))
