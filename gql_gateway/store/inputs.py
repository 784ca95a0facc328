"""Which files of a job its user uploaded: what a clone of the job starts with."""

from datetime import datetime

from sqlalchemy import delete
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.store.tables import JobInput


async def add(session: AsyncSession, job_id: str, path: str, *, at: datetime) -> None:
    """Record an upload; a later one to the same path takes its place."""
    await session.merge(JobInput(job_id=job_id, path=path, uploaded_at=at))


async def paths(session: AsyncSession, job_id: str) -> list[str]:
    """Paths of a job's uploads, sorted."""
    rows = await session.exec(select(JobInput.path).where(JobInput.job_id == job_id).order_by(JobInput.path))
    return list(rows)


async def forget(session: AsyncSession, job_id: str, path: str) -> None:
    """Drop an upload that was deleted, or every upload below a folder that was."""
    below = col(JobInput.path).startswith(f"{path}/", autoescape=True)
    await session.exec(delete(JobInput).where(col(JobInput.job_id) == job_id, (col(JobInput.path) == path) | below))
