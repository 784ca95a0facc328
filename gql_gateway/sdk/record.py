"""The form of every answer: a typed value that may also be read like a dict."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar


class Record:
    """A value that may also be read like a dict, under its own names and the names of the gateway before this one."""

    _aliases: ClassVar[Mapping[str, str]] = {}

    def __getitem__(self, key: str) -> Any:
        if key not in self._aliases and key not in self.keys():
            raise KeyError(key)
        return getattr(self, self._aliases.get(key, key))

    def get(self, key: str, default: Any = None) -> Any:
        """The value under a name, or the default."""
        try:
            return self[key]
        except KeyError:
            return default

    def keys(self) -> list[str]:
        """The names of the values."""
        return [field.name for field in fields(self)]  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys())

    def as_dict(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        return {name: _plain(getattr(self, name)) for name in self.keys()}


def _plain(value: Any) -> Any:
    match value:
        case Record():
            return value.as_dict()
        case list() | tuple():
            return [_plain(item) for item in value]
        case datetime():
            return value.isoformat()
        case Enum():
            return value.value
        case Path():
            return str(value)
    return value


def parse_time(text: str | None) -> datetime | None:
    """An RFC 3339 time that may be missing."""
    return read_time(text) if text else None


def read_time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))  # noqa: FURB162 - Python 3.10 reads no `Z`
