"""The gateway's own API tokens, of which only hashes are stored."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import bindparam, update
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.core.identity import Role
from gql_gateway.store.database import Database
from gql_gateway.store.tables import ApiToken, table_of

_USE_GRAIN = timedelta(minutes=1)
_BY_HASH = select(*table_of(ApiToken).columns).where(col(ApiToken.token_sha256) == bindparam("token_sha256"))


async def create(
    session: AsyncSession,
    *,
    token_sha256: str,
    email: str,
    name: str,
    role: Role = Role.USER,
    created_at: datetime,
    expires_at: datetime | None = None,
) -> ApiToken:
    """Add a token; None as its end: it does not expire."""
    token = ApiToken(
        token_sha256=token_sha256, email=email, name=name, role=role, created_at=created_at, expires_at=expires_at
    )
    session.add(token)
    await session.flush()
    return token


async def by_hash(database: Database, token_sha256: str) -> ApiToken | None:
    """The token with this hash, also where it expired or was revoked: see `expires_at` and `revoked_at`."""
    rows = await database.rows(_BY_HASH, {"token_sha256": token_sha256})
    return cast("ApiToken", rows[0]) if rows else None


async def by_ids(session: AsyncSession, ids: Collection[str]) -> list[ApiToken]:
    """The tokens with these ids, in no order, leaving out those that there are not."""
    return list(await session.exec(select(ApiToken).where(col(ApiToken.id).in_(ids))))


async def every(session: AsyncSession, *, email: str | None = None) -> list[ApiToken]:
    """All tokens, or those of one person, oldest first."""
    statement = select(ApiToken).order_by(col(ApiToken.id))
    return list(await session.exec(statement if email is None else statement.where(ApiToken.email == email)))


async def revoke(session: AsyncSession, token_id: str, *, at: datetime) -> bool:
    """End a token now; False where there is none with this id, or it was revoked before."""
    statement = update(ApiToken).where(col(ApiToken.id) == token_id, col(ApiToken.revoked_at).is_(None))
    return (await session.exec(statement.values(revoked_at=at))).rowcount == 1


async def touch(session: AsyncSession, token_id: str, *, at: datetime) -> bool:
    """Note that a token was used; False where a use less than a minute earlier is noted, and nothing was written."""
    used = col(ApiToken.last_used_at)
    stale = used.is_(None) | (used <= at - _USE_GRAIN)
    statement = update(ApiToken).where(col(ApiToken.id) == token_id, stale).values(last_used_at=at)
    return (await session.exec(statement)).rowcount == 1
