"""Sessions whose statements are executed in the caller's own thread, and the short way to a statement on tables."""

from typing import Any

from sqlalchemy import CursorResult, Engine, Executable
from sqlalchemy.ext.asyncio import async_sessionmaker
from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession


class _AtOnce(AsyncSession):
    """The asynchronous interface over a session that answers at once; SQLAlchemy's own wants asynchronous cursors."""

    async def exec(self, statement: Any, **options: Any) -> Any:
        return self.sync_session.exec(statement, **options)


def sessions_in_place(engine: Engine) -> async_sessionmaker[AsyncSession]:
    """Sessions with the asynchronous interface whose statements are executed in the caller's own thread."""

    class InPlace(Session):
        def get_bind(self, *_: Any, **_options: Any) -> Engine:
            return engine

    return async_sessionmaker(class_=_AtOnce, sync_session_class=InPlace, expire_on_commit=False)


async def execute(session: AsyncSession, statement: Executable, **values: Any) -> CursorResult[Any]:
    """Execute a statement that was made once and is about tables, in the session's transaction.

    On SQLite not by way of the session, which looks for objects that it would have to help with: that takes 0.05 to
    0.1 ms of a statement's 0.1 to 0.2, nine times in a launch.
    """
    if isinstance(session, _AtOnce):
        return session.sync_session.connection().execute(statement, values)
    result: CursorResult[Any] = await session.exec(statement, params=values)  # type: ignore[call-overload]
    return result
