"""Ids: sortable by time, and read back only in the form they were shown."""

from hypothesis import given
from hypothesis import strategies as st

from gql_gateway.core import ids


def test_newer_sorts_after_older() -> None:
    made = [ids.new_id() for _ in range(1000)]
    assert len(set(made)) == len(made)
    assert [one[:12] for one in made] == sorted(one[:12] for one in made)


def test_a_jobs_id_comes_back() -> None:
    key = ids.new_id()
    assert ids.parse_job_id(ids.global_id("job", key)) == key


@given(st.text() | st.from_regex(r"job_[0-9a-f]{30,34}", fullmatch=True))
def test_only_what_was_shown_is_read(text: str) -> None:
    key = ids.parse_job_id(text)
    assert key is None or ids.global_id("job", key) == text
