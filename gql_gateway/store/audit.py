"""The audit log: who did what to which job. Rows are added, read and, when they are old, purged; never changed."""

from datetime import datetime

from sqlalchemy import delete, insert
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.store.sessions import execute
from gql_gateway.store.tables import GatewayAuditEntry, table_of

_ADD = insert(table_of(GatewayAuditEntry))


async def add(session: AsyncSession, entry: GatewayAuditEntry) -> None:
    """Add an entry, in the transaction of the act that it tells of."""
    written = await execute(session, _ADD, **entry.model_dump(exclude={"id"}))
    (entry.id,) = written.inserted_primary_key or (None,)


async def page(
    session: AsyncSession, *, first: int, before: int | None = None, job_id: str | None = None, actor: str | None = None
) -> list[GatewayAuditEntry]:
    """At most `first` entries, newest first: those older than entry `before`, about one job, by one person."""
    statement = select(GatewayAuditEntry)
    if before is not None:
        statement = statement.where(col(GatewayAuditEntry.id) < before)
    if job_id is not None:
        statement = statement.where(GatewayAuditEntry.job_id == job_id)
    if actor is not None:
        statement = statement.where(GatewayAuditEntry.actor == actor)
    return list(await session.exec(statement.order_by(col(GatewayAuditEntry.id).desc()).limit(first)))


async def purge(session: AsyncSession, before: datetime, *, limit: int) -> int:
    """Drop entries of before a time, the oldest first; how many: as many as `limit` means that there may be more."""
    old = (
        select(GatewayAuditEntry.id)
        .where(GatewayAuditEntry.at < before)
        .order_by(col(GatewayAuditEntry.at))
        .limit(limit)
    )
    ids = [number for number in await session.exec(old) if number is not None]
    if ids:
        await session.exec(delete(GatewayAuditEntry).where(col(GatewayAuditEntry.id).in_(ids)))
    return len(ids)
