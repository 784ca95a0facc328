"""The few statements that the two databases spell differently."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import ColumnElement, func, inspect, literal
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import SQLModel
from sqlmodel.ext.asyncio.session import AsyncSession


def is_postgresql(session: AsyncSession) -> bool:
    """Whether a session speaks to PostgreSQL; else to SQLite."""
    return session.get_bind().dialect.name == "postgresql"


def insert_into(session: AsyncSession, table: type[SQLModel]) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that can be told what to do ON CONFLICT."""
    return postgresql.insert(table) if is_postgresql(session) else sqlite.insert(table)


def insert(session: AsyncSession, row: SQLModel) -> postgresql.Insert | sqlite.Insert:
    """The same, of a whole row."""
    return insert_into(session, type(row)).values(row.model_dump())


async def upsert(session: AsyncSession, row: SQLModel) -> None:
    """Insert a row, or put its values in place of those of the row with its key."""
    values = row.model_dump()
    keys = [column.name for column in inspect(type(row)).primary_key]
    others = {name: value for name, value in values.items() if name not in keys}
    await session.exec(insert(session, row).on_conflict_do_update(index_elements=keys, set_=others))


def in_seconds(session: AsyncSession, seconds: float) -> ColumnElement[datetime]:
    """The time in so many seconds by the database's clock, which all gateways share; SQLite's is this machine's."""
    if is_postgresql(session):
        return func.clock_timestamp() + literal(timedelta(seconds=seconds))
    return literal(datetime.now(UTC) + timedelta(seconds=seconds))
