"""Scalars: what goes in and out, and what is refused."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from graphql import GraphQLError, IntValueNode, StringValueNode
from hypothesis import given
from hypothesis import strategies as st

from gql_gateway.api.scalars import MAX_BYTES, SCALARS, ByteCount, Upload

TIME, BYTES, UPLOAD = (SCALARS[kind] for kind in (datetime, ByteCount, Upload))


NEVER = ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00")
"""Moments of the first and the last day there are, and of none in UTC."""


def test_times_are_shown_in_utc() -> None:
    there = datetime(2026, 11, 22, 17, 0, 0, 123456, tzinfo=timezone(timedelta(hours=1)))
    assert TIME.serialize(there) == "2026-11-22T16:00:00.123Z"


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(1000, 1, 1), max_value=datetime(9000, 1, 1)))  # noqa: DTZ001
def test_a_shown_time_can_be_read_again(moment: datetime) -> None:
    read = TIME.parse_value(TIME.serialize(moment))
    assert abs(read - moment) < timedelta(milliseconds=1)


@pytest.mark.parametrize("value", ["", "yesterday", "2026-11-22", "2026-11-22T16:00:00", 5, None, True, *NEVER])
def test_what_is_no_point_in_time(value: object) -> None:
    with pytest.raises(GraphQLError, match="with its offset"):
        TIME.parse_value(value)


@pytest.mark.parametrize("value", [0, 1, 2**40, MAX_BYTES])
def test_numbers_of_bytes(value: int) -> None:
    assert BYTES.parse_value(value) == value
    assert BYTES.parse_literal(IntValueNode(value=str(value)), None) == value


@pytest.mark.parametrize("value", [-1, MAX_BYTES + 1, 1.5, "1", True, None])
def test_what_is_no_number_of_bytes(value: object) -> None:
    with pytest.raises(GraphQLError, match="whole number"):
        BYTES.parse_value(value)


@pytest.mark.parametrize("node", [IntValueNode(value="9" * 5000), IntValueNode(value="-1"), StringValueNode(value="1")])
def test_what_is_no_literal_of_bytes(node: IntValueNode) -> None:
    with pytest.raises(GraphQLError, match="whole number"):
        BYTES.parse_literal(node, None)


@pytest.mark.parametrize("value", ["text", None, {}, b"bytes"])
def test_only_a_file_part_is_an_upload(value: object) -> None:
    with pytest.raises(GraphQLError, match="multipart"):
        UPLOAD.parse_value(value)
    with pytest.raises(GraphQLError, match="multipart"):
        UPLOAD.parse_literal(StringValueNode(value="text"), None)
