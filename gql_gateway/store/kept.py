"""Answers that are kept for as long as nothing in the store changes, so that nothing stale is ever told."""

import sqlite3
from typing import Generic, TypeVar

from sqlalchemy import Engine, PoolProxiedConnection
from sqlalchemy.exc import DBAPIError

Answer = TypeVar("Answer")


class Changes:
    """Tells whether an SQLite store was changed, by any process: its `data_version` is another then."""

    def __init__(self, engine: Engine | None) -> None:
        self._engine = engine
        self._connection: PoolProxiedConnection | None = None

    def stamp(self) -> int | None:
        """A number that is the same as long as the store is; None where that is not known, as on PostgreSQL."""
        if self._engine is None:
            return None
        try:
            if self._connection is None:
                self._connection = self._engine.raw_connection()
            version: int = self._connection.cursor().execute("PRAGMA data_version").fetchone()[0]
        except (sqlite3.Error, DBAPIError):
            return None  # the read that follows tells why
        return version

    def close(self) -> None:
        """Close the connection."""
        if self._connection:
            self._connection.close()
            self._connection = None


class Kept(Generic[Answer]):
    """At most `most` answers by key, each with the stamp that the store had before it was asked."""

    def __init__(self, most: int = 4096) -> None:
        self._most = most
        self._stamp: object | None = None
        self._answers: dict[str, Answer] = {}

    def get(self, key: str, stamp: object | None) -> Answer | None:
        """What was answered while the store was as it is now."""
        return self._answers.get(key) if stamp is not None and stamp == self._stamp else None

    def put(self, key: str, stamp: object | None, answer: Answer) -> None:
        """Keep an answer that was asked for after `stamp` was taken."""
        if stamp is None:
            return
        if stamp != self._stamp or len(self._answers) >= self._most:
            self._stamp = stamp
            self._answers.clear()
        self._answers[key] = answer
