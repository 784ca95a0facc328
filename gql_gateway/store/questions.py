"""Statements of SQLAlchemy's in SQLite's words, and what is made of the rows that it finds, each made once.

Values are converted by column and not by row: a page of 100 jobs has 100 times, states and names of the same kind.
"""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import Dialect, Enum, Select
from sqlalchemy.types import TypeEngine
from sqlmodel import UTCDateTime

Convert = Callable[[Any], Any]

_REMEMBERED = 512
_row_of: Callable[[Sequence[str | None]], Any] = partial(namedtuple, "Row")  # noqa: PYI024 - of columns known only later


@dataclass(frozen=True, slots=True)
class Question:
    """A statement's text, the values that stand in it, and how each of its columns is read."""

    text: str
    _names: Sequence[str]
    _given: Mapping[str, Any]
    _binds: Mapping[str, Convert]
    _reads: Sequence[Convert | None]
    _row: Callable[[Any], Any]

    def bound(self, values: Mapping[str, Any]) -> list[Any]:
        """The values in the order of the text."""
        every = {**self._given, **values}
        for name, bind in self._binds.items():
            every[name] = bind(every[name])
        return [every[name] for name in self._names]

    def rows(self, found: Sequence[Sequence[Any]]) -> list[Any]:
        """What SQLite found, as rows with the columns as attributes, in Python's types."""
        if not found:
            return []
        pairs = zip(self._reads, zip(*found, strict=True), strict=True)
        columns = [list(map(read, column)) if read else column for read, column in pairs]
        return list(map(self._row, zip(*columns, strict=True)))


class Questions:
    """The statements that were asked lately."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self.of: Callable[[Select[Any]], Question] = lru_cache(_REMEMBERED)(self._made)
        """The question of a statement, whose parameters get their values later."""

    def _made(self, statement: Select[Any]) -> Question:
        compiled: Any = statement.compile(dialect=self._dialect)
        binds = {name: self._kind(bound.type).bind_processor(self._dialect) for name, bound in compiled.binds.items()}
        columns = statement.selected_columns
        row = _row_of([column.key for column in columns])
        return Question(
            text=compiled.string,
            _names=compiled.positiontup,
            _given={name: bound.value for name, bound in compiled.binds.items() if not bound.required},
            _binds={name: bind for name, bind in binds.items() if bind},
            _reads=[self._read(column.type) for column in columns],
            _row=partial(tuple.__new__, row),
        )

    def _kind(self, declared: TypeEngine[Any]) -> TypeEngine[Any]:
        return declared.dialect_impl(self._dialect)

    def _read(self, declared: TypeEngine[Any]) -> Convert | None:
        if isinstance(declared, Enum) and declared.enum_class:
            members: dict[Any, object] = {None: None, **declared.enum_class.__members__}
            return members.__getitem__
        if isinstance(declared, UTCDateTime):
            return _moment
        read: Convert | None = self._kind(declared).result_processor(self._dialect, None)
        return read


def _moment(text: str | None) -> datetime | None:
    """A time as SQLAlchemy writes it, which is UTC. (`replace` on one without a zone takes seven times as long.)"""
    return datetime.fromisoformat(f"{text}+00:00") if text else None
