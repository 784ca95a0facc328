"""What a clone begins with: the files that were uploaded to its source, copied as they are now."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from gql_gateway.cluster.cluster import Cluster
from gql_gateway.core.errors import ErrorCode, Refused, refuse
from gql_gateway.core.paths import JobPath, parse
from gql_gateway.store import inputs, jobs
from gql_gateway.store.database import Database
from gql_gateway.store.tables import Job

_LEFT_OUT = {ErrorCode.FILE_NOT_FOUND, ErrorCode.PATH_NOT_ALLOWED}


async def copy_inputs(database: Database, clusters: Mapping[str, Cluster], job: Job, limit: int) -> None:
    """Copy the files from the job that this one was cloned from, at most `limit` bytes together.

    Raises:
        Refused: LIMIT_EXCEEDED, CLUSTER_UNAVAILABLE, CLUSTER_TIMEOUT.
    """
    async with database.reading() as session:
        source = await jobs.get(session, job.cloned_from or "", owner_id=None)
        paths = await inputs.paths(session, job.cloned_from or "")
    if source is None:
        return
    if source.cluster == job.cluster:
        copied = await clusters[job.cluster].copy_inputs(source.folder, job.folder, paths, limit=limit)
    else:
        copied = await _carry(clusters, source, job, paths, limit)
    async with database.transaction() as session:
        for path in copied:
            await inputs.add(session, job.id, path, at=datetime.now(UTC))


async def _carry(clusters: Mapping[str, Cluster], source: Job, job: Job, paths: Sequence[str], limit: int) -> list[str]:
    """Carry files from one account's folder into another's, through here: neither account can reach both."""
    carried, left = [], limit
    for path in paths:
        if (size := await _carry_one(clusters, source, job, parse(path), left)) is not None:
            carried.append(path)
            left -= size
    return carried


async def _carry_one(clusters: Mapping[str, Cluster], source: Job, job: Job, path: JobPath, left: int) -> int | None:
    """The file's size; None where it is gone or is no file."""
    try:
        async with clusters[source.cluster].download(source.folder, path) as download:
            if download.size > left:
                raise refuse(ErrorCode.LIMIT_EXCEEDED, "The files to copy are larger than the limit for a folder.")
            return (await clusters[job.cluster].upload(job.folder, path, download.chunks)).size
    except Refused as refused:
        if refused.code in _LEFT_OUT:
            return None
        raise
