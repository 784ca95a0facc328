"""What ended jobs used: which are to be asked for, and what was found out."""

from datetime import datetime

from sqlalchemy import update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.core.usage import Usage
from gql_gateway.store.tables import Job


async def due(session: AsyncSession, cluster: str, limit: int) -> list[Job]:
    """Ended jobs of a cluster of which accounting is to be asked what they used, oldest first."""
    wanted = (Job.cluster == cluster, col(Job.usage_due).is_(True), col(Job.deleted_at).is_(None))
    return list(await session.exec(select(Job).where(*wanted).order_by(col(Job.id)).limit(limit)))


async def record(session: AsyncSession, job_id: str, usage: Usage) -> None:
    """Keep what a job used; it is not asked for again."""
    values = {"cpu_seconds": usage.cpu_seconds, "peak_memory": usage.peak_memory, "nodes": usage.nodes}
    await session.exec(update(Job).where(col(Job.id) == job_id).values(usage_due=False, **values))


async def give_up(session: AsyncSession, cluster: str, before: datetime | None) -> None:
    """Ask no more for jobs that ended before a time; None: for none of the cluster's."""
    statement = update(Job).where(col(Job.cluster) == cluster, col(Job.usage_due).is_(True))
    if before is not None:
        statement = statement.where(col(Job.ended_at) < before)
    await session.exec(statement.values(usage_due=False))
