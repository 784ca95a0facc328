"""Leases: of many processes one may, for a time, by the database's clock."""

from datetime import UTC, datetime

import sqlalchemy
from sqlalchemy import bindparam, delete, func, update
from sqlmodel import col
from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.store import dialect
from gql_gateway.store.sessions import execute
from gql_gateway.store.tables import Lease, table_of

_LEASES = table_of(Lease)
_MINE = sqlalchemy.select(_LEASES.c.name).where(
    _LEASES.c.name == bindparam("known_name"), _LEASES.c.holder == bindparam("known_holder")
)
_HELD_BY_ITS_CLOCK = _MINE.where(_LEASES.c.expires_at > func.clock_timestamp())
_HELD = _MINE.where(_LEASES.c.expires_at > bindparam("now"))


async def acquire(session: AsyncSession, name: str, holder: str, ttl: float) -> bool:
    """Take or renew a lease for `ttl` seconds; False where another holds it."""
    values = {"name": name, "holder": holder, "expires_at": dialect.in_seconds(session, ttl)}
    statement = dialect.insert_into(session, Lease).values(values)
    free = (col(Lease.holder) == holder) | (col(Lease.expires_at) <= dialect.in_seconds(session, 0))
    statement = statement.on_conflict_do_update(index_elements=["name"], set_=values, where=free)
    return (await session.exec(statement)).rowcount == 1


async def look(session: AsyncSession, name: str) -> Lease | None:
    """Who holds a lease and until when; None where nobody ever did."""
    return await session.get(Lease, name)


async def take_over(session: AsyncSession, stale: Lease, holder: str, ttl: float) -> bool:
    """Take a lease that its holder no longer renews, whatever the clocks say; False where it was renewed after all."""
    known = (
        col(Lease.name) == stale.name,
        col(Lease.holder) == stale.holder,
        col(Lease.expires_at) == stale.expires_at,
    )
    values = {"holder": holder, "expires_at": dialect.in_seconds(session, ttl)}
    return (await session.exec(update(Lease).where(*known).values(**values))).rowcount == 1


async def release(session: AsyncSession, name: str, holder: str) -> None:
    """Give a lease back, so that another need not wait for its end."""
    await session.exec(delete(Lease).where(col(Lease.name) == name, col(Lease.holder) == holder))


async def holds(session: AsyncSession, name: str, holder: str) -> bool:
    """Whether this holder has the lease, at the time of this transaction."""
    known = {"known_name": name, "known_holder": holder}
    if dialect.is_postgresql(session):
        return (await execute(session, _HELD_BY_ITS_CLOCK, **known)).first() is not None
    return (await execute(session, _HELD, **known, now=datetime.now(UTC))).first() is not None
