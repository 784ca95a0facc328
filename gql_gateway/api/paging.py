"""Pages of lists: which part of a list is wanted, and where a page lies in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

import strawberry

from gql_gateway.api.limits import MAX_OUTPUT_BYTES, MAX_PAGE_SIZE, OUTPUT_BYTES, PAGE_SIZE
from gql_gateway.core.errors import BadRequest, LimitExceeded

T = TypeVar("T")

First = Annotated[
    int | None,
    strawberry.argument(description=f"Number of entries wanted from the start of the list, at most {MAX_PAGE_SIZE}."),
]
After = Annotated[str | None, strawberry.argument(description="Only entries behind this cursor.")]
Last = Annotated[
    int | None,
    strawberry.argument(
        description=f"Number of entries wanted from the end of the list, at most {MAX_PAGE_SIZE}, instead of `first`."
    ),
]
Before = Annotated[str | None, strawberry.argument(description="Only entries in front of this cursor.")]


@strawberry.type(description="Where a page lies in its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether there are entries behind this page.")
    has_previous_page: bool = strawberry.field(description="Whether there are entries in front of this page.")
    start_cursor: str | None = strawberry.field(description="Cursor of the first entry; null on an empty page.")
    end_cursor: str | None = strawberry.field(description="Cursor of the last entry; null on an empty page.")

    @classmethod
    def around(cls, cursors: Sequence[str], *, has_next: bool, has_previous: bool) -> "PageInfo":
        """Where a page with these cursors lies."""
        return cls(
            has_next_page=has_next,
            has_previous_page=has_previous,
            start_cursor=cursors[0] if cursors else None,
            end_cursor=cursors[-1] if cursors else None,
        )


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a list that is wanted: cursors around it, and a number from one of its ends."""

    first: int | None
    after: str | None
    last: int | None
    before: str | None


def given(argument: T | None) -> T | None:
    """An argument's value; None also where it was left out, which Strawberry tells apart."""
    return None if argument is strawberry.UNSET else argument


def window(*, first: int | None, after: str | None, last: int | None, before: str | None) -> Window:
    """Check what a caller wants of a list.

    Raises:
        BadRequest: a negative number.
        LimitExceeded: a page that is too large.
    """
    backwards = given(last) is not None
    return Window(
        first=None if backwards else page_size("first", first),
        after=given(after),
        last=page_size("last", last) if backwards else None,
        before=given(before),
    )


def page_size(argument: str, number: int | None) -> int:
    """Check how many entries a caller wants.

    Raises:
        BadRequest: fewer than none.
        LimitExceeded: more than a page holds.
    """
    wanted = PAGE_SIZE if number is None else number
    if wanted < 0:
        raise BadRequest(f"`{argument}` must be 0 or more.")
    if wanted > MAX_PAGE_SIZE:
        raise LimitExceeded(f"`{argument}` is {wanted}; a page has at most {MAX_PAGE_SIZE} entries.")
    return wanted


def output_size(limit: int | None) -> int:
    """Check how many bytes of a file a caller wants at once.

    Raises:
        BadRequest: none.
        LimitExceeded: more than one answer holds.
    """
    wanted = OUTPUT_BYTES if limit is None else limit
    if wanted < 1:
        raise BadRequest("`limit` must be 1 or more.")
    if wanted > MAX_OUTPUT_BYTES:
        raise LimitExceeded(f"`limit` is {wanted}; one answer has at most {MAX_OUTPUT_BYTES} bytes of a file.")
    return wanted
