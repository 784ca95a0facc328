"""The rules of "never wrong", each as one property over everything that witnesses may say."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gql_gateway.cluster.cluster import EndRecord
from gql_gateway.core.ids import slurm_name
from gql_gateway.core.states import FINAL, IN_SLURM, JobState, Observation, Source
from gql_gateway.store.tables import Job
from gql_gateway.watcher import verdict

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
MINE, OTHER = "0" * 32, "1" * 32
SEEN = sorted(set(JobState) - {JobState.CREATED, JobState.LAUNCHING, JobState.LOST})

numbers = st.integers(1, 30).map(str)
times = st.none() | st.integers(0, 100).map(lambda seconds: NOW + timedelta(seconds=seconds))
observations = st.builds(
    Observation,
    token=st.sampled_from([slurm_name(MINE), slurm_name(OTHER), "gw-", "bash"]),
    slurm_job_id=numbers,
    state=st.sampled_from(SEEN),
    native_state=st.just("X"),
    source=st.sampled_from([Source.SQUEUE, Source.SACCT]),
    observed_at=st.just(NOW),
    exit_code=st.none() | st.sampled_from([0, 1, 98]),
    submitted_at=times,
)
said = st.lists(observations, max_size=6, unique_by=lambda one: one.slurm_job_id)
records = st.builds(
    EndRecord,
    slurm_job_id=numbers,
    exit_code=st.integers(0, 255),
    ended_at=st.just(NOW),
    started_at=times,
    signals=st.none() | st.integers(0, 3),
)
jobs = st.builds(
    lambda state, number, asked, limit: Job(
        id=MINE,
        state=state,
        slurm_job_id=number,
        cancel_requested_at=asked,
        cancel_requested_by="ada@example.org" if asked else None,
        spec={"resources": {"time_limit_seconds": limit}},
    ),
    st.sampled_from([JobState.LAUNCHING, JobState.QUEUED, JobState.RUNNING, JobState.SUSPENDED]),
    st.none() | numbers,
    st.none() | st.integers(-100, 100).map(lambda seconds: NOW + timedelta(seconds=seconds)),
    st.none() | st.sampled_from([60, 90]),
)


@given(jobs, said)
def test_only_what_carries_our_token_is_believed(job: Job, said: list[Observation]) -> None:
    mine = [one for one in said if one.token == slurm_name(MINE)]
    found = verdict.chosen(job, said)
    assert (found is None) == (not mine)
    assert found is None or found in mine


@given(jobs, said, records)
def test_the_one_that_holds_the_claim_is_the_job(job: Job, said: list[Observation], record: EndRecord) -> None:
    holder = [one for one in said if one.token == slurm_name(MINE) and one.slurm_job_id == record.slurm_job_id]
    if holder:
        assert verdict.chosen(job, said, record) is holder[0]


@given(jobs, said)
def test_a_running_one_is_never_let_go_for_one_that_waits_or_has_ended(job: Job, said: list[Observation]) -> None:
    running = [one for one in said if one.token == slurm_name(MINE) and one.state is JobState.RUNNING]
    found = verdict.chosen(job, said)
    if found and running:
        assert found.state in {JobState.RUNNING, JobState.SUSPENDED}


@given(jobs, said)
def test_of_several_all_but_one_are_twins_and_none_that_has_ended(job: Job, said: list[Observation]) -> None:
    if kept := verdict.chosen(job, said):
        alive = [one for one in said if one.token == slurm_name(MINE) and one.state not in FINAL]
        twins = verdict.twins(job, said, kept)
        assert kept not in twins
        assert {one.slurm_job_id for one in twins} == {one.slurm_job_id for one in alive} - {kept.slurm_job_id}


@given(jobs, said)
def test_the_order_in_which_slurm_lists_them_does_not_matter(job: Job, said: list[Observation]) -> None:
    one, other = verdict.chosen(job, said), verdict.chosen(job, said[::-1])
    assert (one and one.slurm_job_id) == (other and other.slurm_job_id)


@given(jobs, records)
def test_an_end_record_is_an_end_and_completed_only_where_the_status_is_0(job: Job, record: EndRecord) -> None:
    seen = verdict.from_end_record(job, record, NOW)
    assert seen.state in FINAL - {JobState.LOST}
    assert seen.source is Source.END_RECORD
    if seen.state is JobState.COMPLETED:
        assert record.exit_code == 0
    if record.exit_code:
        assert seen.reason


@given(jobs, records)
def test_cancelled_is_never_shown_as_completed(job: Job, record: EndRecord) -> None:
    asked = job.cancel_requested_at
    seen = verdict.from_end_record(job, record, NOW)
    if asked and (record.signals or (record.signals is None and asked <= record.ended_at)):
        assert seen.state is JobState.CANCELLED
        assert "ada@example.org" in (seen.reason or "")
    if record.signals:
        assert seen.state in {JobState.CANCELLED, JobState.TIMED_OUT}
    if asked is None and not record.signals:
        assert seen.state is not JobState.CANCELLED


def test_what_ended_by_itself_before_the_cancel_was_asked_completed() -> None:
    job = Job(id=MINE, cancel_requested_at=NOW + timedelta(seconds=5), spec={"resources": {}})
    assert verdict.from_end_record(job, EndRecord("1", 0, NOW), NOW).state is JobState.COMPLETED


@pytest.mark.parametrize("hours", [-5, 5])
@pytest.mark.parametrize(("signals", "state"), [(0, JobState.COMPLETED), (1, JobState.CANCELLED)])
def test_whether_the_cancel_was_first_does_not_hang_on_two_clocks(hours: int, signals: int, state: JobState) -> None:
    job = Job(id=MINE, cancel_requested_at=NOW + timedelta(hours=hours), spec={"resources": {}})
    assert verdict.from_end_record(job, EndRecord("1", 0, NOW, signals=signals), NOW).state is state


def test_a_signal_at_the_time_limit_is_the_time_limit() -> None:
    job = Job(id=MINE, spec={"resources": {"time_limit_seconds": 90}})
    for seconds, state in ((120, JobState.TIMED_OUT), (119, JobState.FAILED)):
        record = EndRecord("1", 143, NOW, NOW - timedelta(seconds=seconds))
        assert verdict.from_end_record(job, record, NOW).state is state


@pytest.mark.parametrize("code", [0, 5, 143])
@pytest.mark.parametrize(("seconds", "state"), [(120, JobState.TIMED_OUT), (60, JobState.CANCELLED)])
def test_what_was_told_to_end_has_not_completed_whoever_told_it(code: int, seconds: int, state: JobState) -> None:
    job = Job(id=MINE, spec={"resources": {"time_limit_seconds": 120}})
    record = EndRecord("1", code, NOW, NOW - timedelta(seconds=seconds), signals=1)
    seen = verdict.from_end_record(job, record, NOW)
    assert (seen.state, seen.exit_code, seen.signal) == (state, 5 if code == 5 else None, 15 if code == 143 else None)
    assert seen.reason


def test_no_observation_is_no_verdict() -> None:
    assert verdict.chosen(Job(id=MINE), []) is None


@given(jobs, said)
def test_a_word_that_nobody_here_knows_changes_nothing(job: Job, said: list[Observation]) -> None:
    unknown = [replace(one, known=False, state=JobState.QUEUED) for one in said]
    seen = verdict.chosen(job, unknown)
    assert seen is None or seen.state is (job.state if job.state in IN_SLURM else JobState.QUEUED)


def test_the_exit_code_that_sacct_cut_is_the_one_of_the_end_record() -> None:
    job = Job(id="0" * 32, state=JobState.RUNNING)
    seen = Observation(slurm_name(job.id), "7", JobState.FAILED, "FAILED", Source.SACCT, NOW, signal=9)
    record = EndRecord("7", 137, NOW)
    told = verdict.with_record(seen, record)
    assert (told.exit_code, told.signal) == (137, None)
    assert "137" in (told.reason or "")
    assert verdict.with_record(seen, EndRecord("8", 137, NOW)) == seen
    assert verdict.with_record(replace(seen, state=JobState.CANCELLED), record).exit_code is None
