"""Slurm's commands as argument lists, and their answers as values: text in, values out, no I/O.

Job names are the only free text that any of these commands prints, and a name may hold anything, newlines and forged
rows included (22.05 to 26.05). So squeue prints columns of fixed width with the name last, cut to 36 bytes: whatever
stands behind a newline in it is shorter than a row. sacct can't cut, but it is asked for exact names only.

A command that failed is no information: every reader raises then, and nothing reads like an empty answer.

The commands are meant to run with SLURM_TIME_FORMAT=%s and LC_ALL=C, and without any other variable that steers them.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from gql_gateway.cluster import slurm_words as words
from gql_gateway.core.errors import ClusterTimeout, ClusterUnavailable, SubmitRefused
from gql_gateway.core.ids import made_at, slurm_name
from gql_gateway.core.states import FINAL, JobState, Observation, Source

NAMES_PER_SACCT = 100

_TOKEN = re.compile(r"gw-[0-9a-f]{32}")
_NUMBER = re.compile(r"[0-9]{1,10}")


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command said when it ended; the text decoded as UTF-8 with replacements."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def words(self) -> str:
        """What it said on standard error, as one bearable line."""
        return "; ".join(self.stderr.split("\n")).strip("; ")[:500]

    def lines(self) -> list[str]:
        """Lines of standard output. Only newlines end one: a name may hold every other separator of str.splitlines."""
        return self.stdout.split("\n")


# --- submit ---------------------------------------------------------------------------------------------------------

_SUBMITTED = re.compile(r"([0-9]+)(;[^;]*)?")
SUBMITTED = r"[0-9]+(;[^;\n]*)?\n"
"""What sbatch prints when Slurm has the job. It does nothing after that but end, which takes it 0.4 ms."""


def sbatch(job_id: str) -> list[str]:
    """Submit the script on standard input. What must not depend on the script's own directives stands here again.

    `--ignore-pbs`, for sbatch takes #PBS and #BSUB lines too. `--dependency=singleton` keeps a second copy waiting
    while the first one runs.
    """
    name = slurm_name(job_id)
    safety = ["--parsable", "--ignore-pbs", "--no-requeue", "--export=NONE", "--dependency=singleton"]
    return ["sbatch", *safety, f"--job-name={name}"]


def read_submission(answer: Answer) -> str:
    """The new job's Slurm id.

    Raises:
        SubmitRefused: Slurm does not take this job; final.
        ClusterUnavailable: surely not submitted; may be tried again.
        ClusterTimeout: it may have been submitted all the same; look for the name before any second try.
    """
    if answer.exit_code == 0:
        last = next((line for line in reversed(answer.lines()) if line.strip()), "")
        if match := _SUBMITTED.fullmatch(last.strip()):
            return match[1]
        raise ClusterTimeout("sbatch gave no job id.", answer.words)
    match words.failure_of_sbatch(answer.exit_code, answer.stderr):
        case words.Failure.REFUSED:
            raise SubmitRefused(words.refusal(answer.stderr))
        case words.Failure.NOT_DONE:
            raise ClusterUnavailable("Slurm takes no jobs at the moment.", answer.words)
        case words.Failure.UNKNOWN:
            raise ClusterTimeout("sbatch failed without saying whether the job was submitted.", answer.words)


# --- the queue ------------------------------------------------------------------------------------------------------

_COLUMNS = {
    "JobID": 12,
    "State": 20,
    "exit_code": 12,
    "SubmitTime": 12,
    "StartTime": 12,
    "EndTime": 12,
    "Reason": 44,
    "Name": 36,  # one more than a token has, so that a longer name shows
}
_ROW = re.compile("".join(f"(.{{{width}}})" for width in _COLUMNS.values()))


def squeue() -> list[str]:
    """Every job of the account, the finished ones too while Slurm remembers them (MinJobAge).

    With --me, any status but 0 is no answer. `-j` with a list of ids would make slurmctld send all jobs of the cluster.
    """
    columns = ",".join(f"{name}:{width}" for name, width in _COLUMNS.items())
    return ["squeue", "--me", "--noheader", "--states=all", f"--Format={columns}"]


def squeue_by_name(job_id: str) -> list[str]:
    """The jobs of one token: none, one, or the twins of an sbatch of unknown outcome."""
    return [*squeue(), f"--name={slurm_name(job_id)}"]


def read_queue(answer: Answer, at: datetime) -> list[Observation]:
    """What squeue says of our jobs; jobs of other names are left out.

    Raises:
        ClusterUnavailable: it is no valid answer.
    """
    if answer.exit_code != 0:
        raise no_answer("squeue", answer)
    if answer.stdout and not answer.stdout.endswith("\n"):
        raise ClusterUnavailable("squeue's answer is cut off.")
    rows = map(_ROW.fullmatch, answer.lines())
    return [seen for row in rows if row and (seen := _queued(row.groups(), at))]


def _queued(row: tuple[str, ...], at: datetime) -> Observation | None:
    number, native, status, submitted, start, end, reason, name = (column.rstrip(" ") for column in row)
    return _observation(_Row(number, name, native, status, submitted, start, end, waits_for=reason), Source.SQUEUE, at)


# --- accounting -----------------------------------------------------------------------------------------------------

_ACCOUNT = ("JobIDRaw", "UID", "State", "ExitCode", "Submit", "Start", "End", "JobName")
# Without states, sacct leaves out every job that was never eligible to start: cancelled while it was held, say. With
# states but without an end, it shows what was in that state at the start alone (both seen on 24.11).
_EVERY_STATE = "BF,CA,CD,DL,F,NF,OOM,PD,PR,R,RQ,RS,RV,S,TO"
_EARLIER_DAYS = 2
"""Clocks differ, and days are counted as whole ones."""
_LONG_DAYS = 90
"""For a job of the future: the clock was set back since it was made, and nobody knows its age."""


def sacct(job_ids: Sequence[str], now: datetime) -> list[list[str]]:
    """One command for each hundred jobs, asked by name, since the day before the oldest of them was made."""
    chunks = [job_ids[start : start + NAMES_PER_SACCT] for start in range(0, len(job_ids), NAMES_PER_SACCT)]
    return [_sacct(chunk, now) for chunk in chunks]


def _sacct(job_ids: Sequence[str], now: datetime) -> list[str]:
    output = ["--allocations", "--noheader", "--parsable2", f"--format={','.join(_ACCOUNT)}"]
    return ["sacct", *output, *names_and_times(job_ids, now)]


def names_and_times(job_ids: Sequence[str], now: datetime) -> list[str]:
    """The part of a sacct command that says which jobs are meant, whatever their state.

    Our clock tells how old they are; from when that is, sacct counts by the cluster's own clock. With a date of ours
    that lies ahead of it, sacct would find nothing, or say that the "Start time requested is after end time".
    """
    oldest, newest = ((now - made_at(job_id)) // timedelta(days=1) for job_id in (min(job_ids), max(job_ids)))
    days = _EARLIER_DAYS + max(oldest, 0 if newest >= -1 else _LONG_DAYS)
    names = ",".join(map(slurm_name, job_ids))
    window = [f"--starttime=now-{days}days", "--endtime=now+1days", f"--state={_EVERY_STATE}"]
    return [*window, f"--name={names}"]


def read_accounting(answer: Answer, at: datetime) -> list[Observation] | None:
    """What sacct says of our jobs; None where the site keeps no accounts.

    Up to 24.11, sacct shows exit codes from 128 on less 128 (137:0 as 9:0, 128:0 as 0:0); 26.05 and every squeue
    show them whole. Where there is an end record, its exit code is the better one.

    Raises:
        ClusterUnavailable: it cannot be asked now.
    """
    if "accounting storage is disabled" in answer.stderr:
        return None
    if answer.exit_code != 0:
        raise no_answer("sacct", answer)
    rows = (line.split("|") for line in answer.lines())
    return [seen for row in rows if len(row) == len(_ACCOUNT) and (seen := _accounted(row, at))]


def _accounted(row: list[str], at: datetime) -> Observation | None:
    number, uid, native, status, submitted, start, end, name = row
    return _observation(_Row(number, name, native, status, submitted, start, end, owner=uid), Source.SACCT, at)


# --- rows -----------------------------------------------------------------------------------------------------------

_STATUS = re.compile(r"([0-9]+):([0-9]+)")


@dataclass(frozen=True, slots=True)
class _Row:
    """One job as squeue or sacct tells it, still in their words."""

    number: str
    name: str
    native: str
    status: str
    submitted: str
    start: str
    end: str
    waits_for: str = ""
    owner: str = ""

    @property
    def exit_and_signal(self) -> tuple[int, int]:
        """From `143:0`; 22.05's squeue prints the wait status instead, 36608 for the same."""
        if match := _STATUS.fullmatch(self.status):
            return int(match[1]), int(match[2])
        raw = int(self.status) if _NUMBER.fullmatch(self.status) else 0
        return raw >> 8 & 0xFF, raw & 0x7F


def _observation(row: _Row, source: Source, at: datetime) -> Observation | None:
    """None for a job that is not ours."""
    known = words.job_state(row.native)
    state = known or JobState.QUEUED
    # The database compares without regard to case or trailing spaces, so the name is compared here once more.
    if not (row.number.isdecimal() and _TOKEN.fullmatch(row.name)):
        return None
    code, killed_by = row.exit_and_signal
    exit_code, killed = words.exit_status(state, code, killed_by)
    start, end = _time(row.start), _time(row.end)
    waits = known is JobState.QUEUED
    # squeue shows a job that was cancelled while it waited as started at that moment (24.11).
    ran = not waits and not (state is JobState.CANCELLED and start == end)
    end_reason = words.reason_for_end(row.native, code, killed_by, row.owner)
    return Observation(
        token=row.name,
        slurm_job_id=row.number,
        state=state,
        native_state=words.bare(row.native),
        source=source,
        observed_at=at,
        reason=words.reason_for_wait(row.waits_for) if waits else end_reason,
        exit_code=exit_code,
        signal=killed,
        submitted_at=_time(row.submitted),
        started_at=start if ran else None,
        ended_at=end if state in FINAL else None,  # of a running job, squeue's end is the limit
        expected_start_at=start if waits else None,
        known=known is not None,
    )


def _time(text: str) -> datetime | None:
    """Seconds since 1970; anything else (`N/A`, `Unknown`, `None`) is no time."""
    return datetime.fromtimestamp(int(text), UTC) if _NUMBER.fullmatch(text) else None


def no_answer(command: str, answer: Answer) -> ClusterUnavailable:
    """The error for a question that was not answered."""
    return ClusterUnavailable(f"{command} gives no answer.", answer.words or f"status {answer.exit_code}")


# --- cancel ---------------------------------------------------------------------------------------------------------


def scancel(slurm_job_id: str, *, only_waiting: bool = False) -> list[str]:
    """Cancel one job; with `only_waiting` one that has started is let go on, by slurmctld and without a race."""
    return ["scancel", *(["--state=PENDING"] if only_waiting else []), slurm_job_id]


def read_cancel(answer: Answer) -> None:
    """Success means nothing, least of all that the job was cancelled: unknown and finished ids have status 0 too.

    Raises:
        ClusterUnavailable: slurmctld does not answer.
    """
    if answer.exit_code != 0:
        raise no_answer("scancel", answer)
