"""What the watcher last saw of each cluster."""

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.store import dialect
from gql_gateway.store.tables import ClusterStatus


async def put(session: AsyncSession, status: ClusterStatus) -> None:
    """Store what was seen, in place of what was seen before."""
    await dialect.upsert(session, status)


async def get(session: AsyncSession, name: str) -> ClusterStatus | None:
    """What was last seen of a cluster; None before the first look."""
    return (await session.exec(select(ClusterStatus).where(ClusterStatus.name == name))).one_or_none()


async def every(session: AsyncSession) -> list[ClusterStatus]:
    """What was last seen of all clusters, also of those that are no longer configured, by name."""
    return list(await session.exec(select(ClusterStatus).order_by(col(ClusterStatus.name))))
