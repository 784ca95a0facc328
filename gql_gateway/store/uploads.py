"""Uploads that were begun and may be continued until they expire."""

from datetime import datetime

from sqlalchemy import delete
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.store.tables import Job, Upload

BATCH = 500


async def add(session: AsyncSession, upload: Upload) -> None:
    """Record an upload."""
    session.add(upload)
    await session.flush()


async def expired(session: AsyncSession, cluster: str, before: datetime) -> list[tuple[Upload, str]]:
    """Uploads whose time was over before then, each with its job's folder; the oldest first, not all at once."""
    chosen = (
        select(Upload, Job.folder)
        .join(Job, col(Job.id) == col(Upload.job_id))
        .where(col(Job.cluster) == cluster, col(Upload.expires_at) < before)
        .order_by(col(Upload.expires_at))
        .limit(BATCH)
    )
    return [(upload, folder) for upload, folder in await session.exec(chosen)]


async def remove(session: AsyncSession, upload_id: str) -> None:
    """Forget an upload."""
    await session.exec(delete(Upload).where(col(Upload.id) == upload_id))
