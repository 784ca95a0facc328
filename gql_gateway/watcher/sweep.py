"""Finish what a crash or an absent cluster left half done: folders without a visible job, uploads, old events."""

import asyncio
from datetime import UTC, datetime, timedelta

import structlog

from gql_gateway.cluster.cluster import Cluster
from gql_gateway.core.errors import Refused
from gql_gateway.store import audit, events, jobs, uploads, wishes
from gql_gateway.store.database import Database
from gql_gateway.store.tables import Job

log = structlog.get_logger()

HALF_DONE = timedelta(minutes=5)
"""Older than any request that may still be at work on it."""

ROWS = 200
"""How many old rows go in one transaction: a few milliseconds' work."""


class Sweeper:
    """Sweeps the folders of one account on a cluster."""

    def __init__(self, database: Database, cluster: Cluster) -> None:
        self._database = database
        self._cluster = cluster

    async def sweep(self) -> None:
        """Remove folders and rows of jobs that were never finished or are deleted, and uploads whose time is over."""
        now = datetime.now(UTC)
        async with self._database.reading() as session:
            abandoned = await jobs.abandoned(session, self._cluster.name, now - HALF_DONE)
        for job in abandoned:
            try:
                await self._remove(job, now)
            except Refused as refused:
                log.warning("sweep put off", job=job.id, cluster=job.cluster, error=str(refused))
                break
        await self._drop_uploads(now)

    async def _remove(self, job: Job, now: datetime) -> None:
        if not job.prepared:
            # A second createJob with the same key may just now finish what the first began: then the job stays.
            async with self._database.transaction() as session:
                if not await wishes.abandon(session, job.id, at=now):
                    return
        await self._cluster.remove_job(job.folder)
        async with self._database.transaction() as session:
            await jobs.remove(session, job)
        log.info("swept", job=job.id, cluster=job.cluster)

    async def _drop_uploads(self, now: datetime) -> None:
        """Remove what is left of uploads whose time is over."""
        async with self._database.reading() as session:
            over = await uploads.expired(session, self._cluster.name, now)
        for upload, folder in over:
            try:
                await self._cluster.parts.drop(folder, upload.id)
            except Refused as refused:
                log.warning("sweep put off", upload=upload.id, cluster=self._cluster.name, error=str(refused))
                break
            async with self._database.transaction() as session:
                await uploads.remove(session, upload.id)


async def prune(database: Database, events_for: timedelta, audit_for: timedelta) -> None:
    """Drop what the logs hold from before their times: events, and the audit log."""
    now = datetime.now(UTC)
    for purge, before in ((events.purge, now - events_for), (audit.purge, now - audit_for)):
        dropped = ROWS
        while dropped == ROWS:
            async with database.transaction() as session:
                dropped = await purge(session, before, limit=ROWS)
            await asyncio.sleep(0)  # small transactions: a long one would hold up everything else
