"""The table of transitions: whole, closed, and with ends that are ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gql_gateway.core.states import ACTIVE, FINAL, IN_SLURM, TRANSITIONS, JobState, may_become


def test_every_state_has_a_row() -> None:
    assert set(TRANSITIONS) == set(JobState)


@pytest.mark.parametrize("state", sorted(FINAL))
def test_nothing_follows_an_end(state: JobState) -> None:
    assert not TRANSITIONS[state]


@given(st.sampled_from(sorted(JobState)))
def test_every_state_that_is_no_end_can_reach_every_end_of_a_run(state: JobState) -> None:
    reached, todo = set[JobState](), [state]
    while todo:
        one = todo.pop()
        todo += [new for new in TRANSITIONS[one] if new not in reached]
        reached |= TRANSITIONS[one]
    assert state in FINAL or reached >= FINAL


def test_no_state_returns_to_before_its_launch() -> None:
    assert not any(may_become(state, JobState.CREATED) for state in JobState)
    assert [state for state in JobState if may_become(state, JobState.LAUNCHING)] == [JobState.CREATED]


def test_the_groups_of_states() -> None:
    assert IN_SLURM | {JobState.LAUNCHING} == ACTIVE
    assert not ACTIVE & FINAL
    assert set(JobState) - ACTIVE - FINAL == {JobState.CREATED}
