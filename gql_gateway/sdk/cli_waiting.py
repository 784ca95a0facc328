"""Waiting for a job at the command line: its states as they come, an exit code for scripts, and a way back."""

from gql_gateway.sdk.cli_common import err
from gql_gateway.sdk.cli_show import state_text
from gql_gateway.sdk.job import Job
from gql_gateway.sdk.job_types import JobInfo, JobState

INTERRUPTED = 130
_ENDS = {JobState.COMPLETED: 0, JobState.CANCELLED: 143, JobState.TIMED_OUT: 124, JobState.OUT_OF_MEMORY: 137}
ENDS_IN_WORDS = (
    "**Exit code**: the job's own; 128 + the signal that ended it; 124 at its time limit, 137 out of memory, 143 "
    "cancelled, 1 where it ended otherwise without a code."
)


def exit_code(job: JobInfo) -> int:
    """What a script is told of a job's end."""
    if job.state is JobState.FAILED:
        return 128 + job.signal if job.signal else job.exit_code or 1
    return _ENDS.get(job.state, 1)


def wait_shown(job: Job) -> JobInfo:
    """Wait for a job's end, showing each state on the way."""
    for change in job.watch():
        words = f" {change.reason}" if change.reason else ""
        err.print(job.id, state_text(change.state), words.strip(), markup=False)
    return job.info


def way_back(job: Job) -> None:
    """Say that the job goes on, and how to come back to it."""
    err.print(f"\nThe job goes on: {job.id}\nCome back with:", markup=False)
    for command, words in (("wait", "wait for its end"), ("logs -f", "read its output"), ("cancel", "end it")):
        err.print(f"  hpc {command} {job.id}   # {words}", markup=False)
