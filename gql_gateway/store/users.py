"""Users: found by their address, made once."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import cast

from sqlalchemy import bindparam
from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.core.ids import new_id
from gql_gateway.core.paths import user_folder, user_folder_with_hash
from gql_gateway.store import dialect
from gql_gateway.store.database import Database
from gql_gateway.store.tables import User, table_of

_BY_EMAIL = select(*table_of(User).columns).where(col(User.email) == bindparam("email"))


async def get(session: AsyncSession, email: str) -> User | None:
    """The user with this address."""
    return (await session.exec(select(User).where(User.email == email))).one_or_none()


async def look_up(database: Database, email: str) -> User | None:
    """The same outside of a transaction: a row with a user's attributes."""
    rows = await database.rows(_BY_EMAIL, {"email": email})
    return cast("User", rows[0]) if rows else None


async def get_many(session: AsyncSession, ids: Collection[str]) -> list[User]:
    """The users with these ids, in no order, leaving out those that there are not."""
    return list(await session.exec(select(User).where(col(User.id).in_(ids))))


async def create(session: AsyncSession, email: str, name: str) -> User:
    """The user with this address, made now unless it was before.

    The folder is the one that the address spells; where another address has it, the name with a hash. No two users
    ever have the same, whoever else creates one at the same time.
    """
    for folder in (user_folder(email), user_folder_with_hash(email), new_id()):
        if known := await get(session, email):
            return known
        if folder:
            user = User(email=email, name=name, folder=folder, created_at=datetime.now(UTC))
            # PostgreSQL waits here for another who is inserting the same address or folder.
            await session.exec(dialect.insert(session, user).on_conflict_do_nothing())
    return await session.get_one(User, user.id)


async def lock(session: AsyncSession, user_id: str) -> None:
    """Let one transaction at a time decide about a user's limits; on SQLite every writer is alone anyway."""
    if dialect.is_postgresql(session):
        await session.exec(select(User.id).where(User.id == user_id).with_for_update())
