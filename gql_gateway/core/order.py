"""In which order jobs are listed, and the places in such a list that a page begins or ends at."""

from dataclasses import dataclass
from enum import StrEnum


class OrderField(StrEnum):
    """What jobs can be ordered by."""

    CREATED_AT = "CREATED_AT"
    ENDED_AT = "ENDED_AT"
    NAME = "NAME"


class Direction(StrEnum):
    """Which way."""

    ASC = "ASC"
    DESC = "DESC"


@dataclass(frozen=True, slots=True)
class Order:
    """An order of jobs. Those that are equal in `field` follow each other in the order of their making."""

    field: OrderField = OrderField.CREATED_AT
    direction: Direction = Direction.DESC

    @property
    def descends(self) -> bool:
        """Whether the largest or newest comes first."""
        return self.direction is Direction.DESC


NEWEST_FIRST = Order()


@dataclass(frozen=True, slots=True)
class Place:
    """A job's place in a list: its id, and in lists that are not ordered by it the value that they are ordered by.

    With the value in it, a page can begin behind a job that is gone by now, or that has moved.
    """

    job_id: str
    value: str | None = None
