"""SQLite asked in the caller's own thread, for what it finds in no time, and whether anything has changed since.

A row that is found by its key takes SQLite 10 microseconds. Asked in another thread, as aiosqlite does, each of the
dozen steps is a wake-up of that thread and one back: 0.3 ms on an idle machine, and with 16 callers on a busy one 10.
Readers wait for no writer in WAL mode.

SQLAlchemy puts a statement into words, once (store/questions.py). Its way to execute them takes 45 microseconds more.
"""

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, cast

from sqlalchemy import Engine, PoolProxiedConnection, Select
from sqlalchemy.exc import DBAPIError

from gql_gateway.store.questions import Questions


class InPlace:
    """One connection, opened when it is needed. Each statement is a transaction of its own, and sees one moment."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._questions = Questions(engine.dialect)
        self._opened: PoolProxiedConnection | None = None
        self._connections = 0
        self._stamp: object | None = None

    def rows(self, statement: Select[Any], values: Mapping[str, Any]) -> Sequence[Any]:
        """What a statement finds. It is remembered: none that is made anew each time."""
        question = self._questions.of(statement)
        try:
            return question.rows(self._driver.execute(question.text, question.bound(values)).fetchall())
        except sqlite3.Error:
            self.close()  # whatever is wrong with it, the next one is a new one
            raise

    def stamp(self) -> object | None:
        """What is another one once the store was changed, by any process; None: the read that follows tells why.

        (SQLite's `data_version`, which counts what others changed since its connection was opened: this one changes
        nothing.) It is asked once in a turn of the event loop: what arrives after a change is served in a later one.
        """
        if self._stamp is None:
            try:
                version = self._driver.execute("PRAGMA data_version").fetchone()[0]
            except (DBAPIError, sqlite3.Error):
                self.close()
            else:
                self._stamp = self._connections, version
                asyncio.get_running_loop().call_soon(self._turn)
        return self._stamp

    def _turn(self) -> None:
        self._stamp = None

    def close(self) -> None:
        """Close the connection."""
        if self._opened:
            self._opened.close()
            self._opened = self._stamp = None

    @property
    def _driver(self) -> sqlite3.Connection:
        if self._opened is None:
            self._opened = self.engine.raw_connection()
            self._connections += 1
        return cast("sqlite3.Connection", self._opened.driver_connection)
