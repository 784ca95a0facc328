"""Slurm's words: every state has its meaning, and none reads like a success that is not one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gql_gateway.cluster import slurm_words as words
from gql_gateway.core.states import FINAL, JobState


@pytest.mark.parametrize(
    ("native", "state"),
    [
        ("PENDING", JobState.QUEUED),
        ("CONFIGURING", JobState.QUEUED),
        ("SPECIAL_EXIT", JobState.QUEUED),
        ("COMPLETING", JobState.RUNNING),
        ("STAGE_OUT", JobState.RUNNING),
        ("STOPPED", JobState.SUSPENDED),
        ("CANCELLED by 1000", JobState.CANCELLED),
        ("CANCELLED+", JobState.CANCELLED),
        ("DEADLINE", JobState.TIMED_OUT),
        ("BOOT_FAIL", JobState.NODE_FAILED),
        ("PREEMPTED", JobState.FAILED),
        ("?", None),
        ("", None),
        ("COMPLETE", None),
    ],
)
def test_states(native: str, state: JobState | None) -> None:
    assert words.job_state(native) is state


@given(st.sampled_from(sorted(words.STATES)), st.integers(0, 255), st.integers(0, 255))
def test_exit_code_0_is_shown_for_completed_jobs_alone(native: str, code: int, number: int) -> None:
    state = words.STATES[native]
    shown, killed = words.exit_status(state, code, number)
    assert shown != 0 or state is JobState.COMPLETED
    assert shown is None or killed is None
    assert killed is None or 0 < killed <= 64
    assert state in FINAL or (shown, killed) == (None, None)


@given(st.sampled_from(sorted(words.STATES)), st.integers(0, 255), st.integers(0, 255))
def test_every_reason_is_a_sentence(native: str, code: int, number: int) -> None:
    for reason in (words.reason_for_end(native, code, number), words.reason_for_wait(native)):
        assert reason is None or reason == reason.strip()


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("None", None),
        ("Priority", "Jobs of higher priority come first."),
        ("(Resources)", "The nodes or processors it needs are busy."),
        ("ReqNodeNotAvail, UnavailableNodes:c[1-4]", "The nodes that it needs are down or reserved."),
        (
            "QOSMaxJobsPerUserLimit",
            "A limit of the account or its quality of service (QOS) is reached: QOSMaxJobsPerUserLimit.",
        ),
        ("AssocGrpCpuLimit", "A limit of the account or its quality of service (QOS) is reached: AssocGrpCpuLimit."),
        ("launch_failed_requeued_held", "launch failed requeued held"),
    ],
)
def test_reasons_to_wait(word: str, reason: str | None) -> None:
    assert words.reason_for_wait(word) == reason


@pytest.mark.parametrize(
    ("code", "end"),
    [
        (3, "exit code 3."),
        (127, "exit code 127, as where a command is not found."),
        (137, "exit code 137, as by signal 9 (SIGKILL)."),
        (200, "exit code 200."),
        (255, "exit code 255, as where the container can't be started: its output says why."),
    ],
)
def test_exit_codes_in_words(code: int, end: str) -> None:
    assert words.reason_for_end("FAILED", code, 0) == f"The job ended with {end}"
