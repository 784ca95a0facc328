"""Scalars of the API: points in time, numbers of bytes, and files that are being uploaded."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NewType

import orjson
import strawberry
from graphql import GraphQLError, IntValueNode, ValueNode
from strawberry.types.scalar import ScalarDefinition

MAX_BYTES = 2**53 - 1
"""The largest whole number that every JSON reader keeps exactly."""

_SECONDS = len('"2026-11-22T16:00:00')
_MILLISECONDS = _SECONDS + len(".000")

ByteCount = NewType("ByteCount", int)


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """A file whose bytes are arriving: the name its sender gave it, and the bytes, once."""

    name: str | None
    chunks: AsyncIterator[bytes]


class Upload(ABC):
    """A file part of the request, still on its way."""

    @abstractmethod
    async def open(self) -> OpenedFile:
        """Wait until the part begins.

        Raises:
            BadRequest: it does not come, or was opened before.
        """


def _show_time(value: datetime) -> str:
    moment = value if value.tzinfo is UTC else value.astimezone(UTC)
    # `isoformat` takes three times as long.
    text = orjson.dumps(moment, option=orjson.OPT_UTC_Z).decode()
    return f"{text[1:_MILLISECONDS]}Z" if moment.microsecond else f"{text[1:_SECONDS]}.000Z"


def _read_time(value: object) -> datetime:
    # The first and the last day there are have hours that are on neither in UTC.
    with suppress(ValueError, OverflowError):
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
        if moment and moment.tzinfo:
            return moment.astimezone(UTC)
    raise GraphQLError("DateTime must be a point in time with its offset, such as 2026-11-22T16:00:00.000Z.")


def _read_bytes(value: object) -> ByteCount:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_BYTES:
        return ByteCount(value)
    raise GraphQLError(f"ByteCount must be a whole number from 0 to {MAX_BYTES}.")


def _read_bytes_literal(node: ValueNode, _variables: Mapping[str, Any] | None = None) -> ByteCount:
    # Twenty digits are more than the largest number has, and int() of a million digits takes a while.
    return _read_bytes(int(node.value) if isinstance(node, IntValueNode) and len(node.value) <= 20 else None)  # noqa: PLR2004


def _read_upload(value: object) -> Upload:
    if isinstance(value, Upload):
        return value
    raise GraphQLError("Upload must be a variable that a file part of a multipart request fills.")


def _read_upload_literal(_node: ValueNode, _variables: Mapping[str, Any] | None = None) -> Upload:
    return _read_upload(None)


SCALARS: Mapping[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="A point in time in UTC, such as `2026-11-22T16:00:00.000Z` (RFC 3339).",
        specified_by_url="https://scalars.graphql.org/andimarek/date-time",
        serialize=_show_time,
        parse_value=_read_time,
    ),
    ByteCount: strawberry.scalar(
        name="ByteCount",
        description="A whole number of bytes, as a JSON number, from 0 to 2^53 - 1.",
        serialize=int,
        parse_value=_read_bytes,
        parse_literal=_read_bytes_literal,
    ),
    Upload: strawberry.scalar(
        name="Upload",
        description="A file, sent as a part of a multipart request: `null` in the variables, and a part of its own "
        "behind them. It is passed on as it arrives, so parts come in the order in which the mutations use them.",
        specified_by_url="https://github.com/jaydenseric/graphql-multipart-request-spec",
        parse_value=_read_upload,
        parse_literal=_read_upload_literal,
    ),
}
