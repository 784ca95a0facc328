"""Slurm's words and what they mean here: states, exit codes, reasons, and why it would not take a job. Pure tables.

The words are those of Slurm's src/common/slurm_protocol_defs.c and slurm_errno.c, 22.05 to 26.05.
"""

import re
import signal
from enum import Enum, auto

from gql_gateway.core.states import FINAL, JobState

STATES: dict[str, JobState] = {
    "PENDING": JobState.QUEUED,
    "CONFIGURING": JobState.QUEUED,
    "EXPEDITING": JobState.QUEUED,  # 25.11 and later
    "REQUEUED": JobState.QUEUED,
    "REQUEUE_FED": JobState.QUEUED,
    "REQUEUE_HOLD": JobState.QUEUED,
    "RESV_DEL_HOLD": JobState.QUEUED,
    "SPECIAL_EXIT": JobState.QUEUED,
    "RUNNING": JobState.RUNNING,
    # squeue shows one word, and this flag hides the end state behind it until the epilog is done.
    "COMPLETING": JobState.RUNNING,
    "RESIZING": JobState.RUNNING,
    "SIGNALING": JobState.RUNNING,
    "STAGE_OUT": JobState.RUNNING,
    "SUSPENDED": JobState.SUSPENDED,
    "STOPPED": JobState.SUSPENDED,
    "COMPLETED": JobState.COMPLETED,
    "CANCELLED": JobState.CANCELLED,
    "REVOKED": JobState.CANCELLED,
    "TIMEOUT": JobState.TIMED_OUT,
    "DEADLINE": JobState.TIMED_OUT,
    "OUT_OF_MEMORY": JobState.OUT_OF_MEMORY,
    "NODE_FAIL": JobState.NODE_FAILED,
    "BOOT_FAIL": JobState.NODE_FAILED,
    "FAILED": JobState.FAILED,
    "GETENV_FAILED": JobState.FAILED,
    "LAUNCH_FAILED": JobState.FAILED,
    "RECONFIG_FAIL": JobState.FAILED,
    # Nobody asked for it, so it is no cancellation; jobs here are never requeued, so it is final.
    "PREEMPTED": JobState.FAILED,
}

_ENDS = {
    "TIMEOUT": "The time limit was reached.",
    "DEADLINE": "The deadline passed before the job could end.",
    "OUT_OF_MEMORY": "The job used more memory than it asked for.",
    "NODE_FAIL": "A node of the job failed.",
    "BOOT_FAIL": "A node of the job did not start up.",
    "PREEMPTED": "Slurm gave the job's nodes to a job of higher priority.",
    "REVOKED": "Slurm took the job back in favour of its twin on another cluster.",
    "GETENV_FAILED": "Slurm could not read the account's environment on the node.",
    "LAUNCH_FAILED": "Slurm could not start the job on its node.",
    "RECONFIG_FAIL": "Slurm could not set up the job's node.",
}

_WAITS = {
    "Priority": "Jobs of higher priority come first.",
    "Resources": "The nodes or processors it needs are busy.",
    "BeginTime": "Its earliest start is still to come.",
    "Cleaning": "Slurm still cleans up after an earlier run of it.",
    "Dependency": "It waits for a job of the same name to end.",
    "DependencyNeverSatisfied": "Blocked: the job that it waits for can't end any more as needed.",
    "JobHeldUser": "Held by somebody who uses the same account.",
    "JobHeldAdmin": "Held by an administrator.",
    "JobHoldMaxRequeue": "Held: it was requeued too often.",
    "PartitionDown": "Its partition is switched off.",
    "PartitionInactive": "Its partition starts no jobs at the moment.",
    "PartitionNodeLimit": "Blocked: it asks for more nodes than its partition gives to one job, or for fewer.",
    "PartitionTimeLimit": "Blocked: its time limit is longer than its partition allows.",
    "ReqNodeNotAvail": "The nodes that it needs are down or reserved.",
    "NodeDown": "The nodes that it needs are down.",
    "Reservation": "Its reservation has not begun.",
    "ReservationDeleted": "Blocked: its reservation was deleted.",
    "BadConstraints": "Blocked: no node of the cluster fits what it asks for.",
    "InvalidAccount": "Blocked: Slurm does not know its account.",
    "InvalidQOS": "Blocked: Slurm does not know its quality of service (QOS).",
    "Licenses": "The software licences it needs are in use.",
    "MaxMemPerLimit": "Blocked: it asks for more memory than its partition allows.",
    "AccountNotAllowed": "Blocked: its partition does not take jobs of its account.",
    "QOSNotAllowed": "Blocked: its partition does not take jobs of its quality of service (QOS).",
    "Prolog": "The nodes are being prepared.",
    "NodesNotReady": "The nodes are starting up.",
    "None": None,
}
_LIMIT = re.compile(r"(QOS|Assoc|Max).*")
"""AssocGrpCpuLimit, QOSMaxJobsPerUserLimit, MaxCpuPerAccount and some eighty more: the word itself says which."""

_CANCELLED_BY = re.compile(r"CANCELLED by ([0-9]+)")
_NO_OUTPUT_FILE = 53
"""ExitCode 0:53: slurmstepd could not open the output file, or enter the folder (seen on 22.05, 24.11, 26.05)."""

_LAST_SIGNAL = 64
_SHELL_SIGNAL = 128
_HINTS = {
    126: ", as where a command can't be executed",
    127: ", as where a command is not found",
    255: ", as where the container can't be started: its output says why",
}


def job_state(native: str) -> JobState | None:
    """State for what squeue or sacct says, such as `CANCELLED by 1000`; None, no information, for an unknown word."""
    return STATES.get(bare(native))


def bare(native: str) -> str:
    """The word alone: sacct adds ` by <uid>`, and a `+` where it cut the word or other flags are set."""
    return native.split(" ", 1)[0].rstrip("+")


def exit_status(state: JobState, code: int, number: int) -> tuple[int | None, int | None]:
    """Exit code and signal from Slurm's `code:signal`, each None where it does not tell how the command ended.

    A killed or timed-out job shows 0:0 or 0:15, which must not read as success; signals above 64 are marks of Slurm's
    own (0:125 is out of memory), and so is 0:53.
    """
    if state not in FINAL or number == _NO_OUTPUT_FILE:
        return None, None
    if number:
        return None, number if number <= _LAST_SIGNAL else None
    return (code if code or state is JobState.COMPLETED else None), None


def reason_for_end(native: str, code: int, number: int, owner: str = "") -> str | None:
    """Why a job ended, for people; None where it completed, or was cancelled by the account `owner` (a user id)."""
    word = bare(native)
    if word in _ENDS:
        return _ENDS[word]
    if (by := _CANCELLED_BY.fullmatch(native)) and by[1] != owner:
        return f"Cancelled on the cluster by an administrator (user id {by[1]})."
    if STATES.get(word) is not JobState.FAILED:
        return None
    if number == _NO_OUTPUT_FILE:
        return "Slurm could not open the job's output file or enter its folder."
    if number:
        return f"The job was ended by signal {number}{_signal_name(number)}."
    return f"The job ended with exit code {code}{_hint(code)}." if code else None


def reason_for_wait(word: str) -> str | None:
    """Why a job waits, for people; Slurm's own word where we have no better one."""
    name = word.split(",", 1)[0].strip("()")
    if name in _WAITS:
        return _WAITS[name]
    if _LIMIT.fullmatch(name):
        return f"A limit of the account or its quality of service (QOS) is reached: {name}."
    return name.replace("_", " ") or None


def _hint(code: int) -> str:
    if code > _SHELL_SIGNAL and (name := _signal_name(code - _SHELL_SIGNAL)):
        return f", as by signal {code - _SHELL_SIGNAL}{name}"
    return _HINTS.get(code, "")


def _signal_name(number: int) -> str:
    try:
        return f" ({signal.Signals(number).name})"
    except ValueError:
        return ""


class Failure(Enum):
    """What a failed Slurm command means for what it was to do."""

    REFUSED = auto()
    """Slurm said no: asked again, it says no again."""
    NOT_DONE = auto()
    """It never came to that; the same may succeed later."""
    UNKNOWN = auto()
    """It may have been done all the same."""


_NOT_DONE = (
    "Unable to contact slurm controller (connect failure)",
    "Communication connection failure",
    "Resource temporarily unavailable",  # EAGAIN, after sbatch's own 15 tries in 120 s
    "Unable to create job record, try again",  # 22.05 and 24.11: MaxJobCount jobs are in the system; likewise
    "MaxJobCount limit reached",  # 26.05: the same
    "Requested nodes are busy",
    "Required ports are in use",
    "Controller is in standby mode, try a different controller",
    "Slurm backup controller in standby mode",
    "System submissions disabled",
    "Rate limit exceeded",
)
_NOT_AUTHENTIC = "Protocol authentication error"
"""Of the question, if sbatch said before that it could not make the credential; else perhaps of the answer."""
_UNKNOWN = (
    # With the controller frozen, sbatch said the first of these, and both such calls became jobs (22.05 to 26.05).
    "Socket timed out on send/recv operation",
    "Zero Bytes were transmitted or received",
    "Unable to contact slurm controller",  # (send failure), (receive failure), (shutdown failure)
    "Communication shutdown failure",
    "Message send failure",
    "Message receive failure",
    "Received zero length message",
    "Header lengths are longer than data received",
    "Insane message length",
    "Unexpected message received",
    _NOT_AUTHENTIC,
    "Connection timed out",
    "Connection reset by peer",
    "Connection refused",
    "Broken pipe",
    "Transport endpoint is not connected",
    "Operation now in progress",
    "Interrupted system call",
)
_BEFORE_SENDING = re.compile(
    r"Munge encode failed|auth_g_create: \w+ has authentication error"
    r"|Could not establish a configuration source|Unable to process configuration file",
)
_REFUSAL = "sbatch: error: Batch job submission failed: "
_BAD_ARGUMENT = re.compile(r"sbatch: (error: |fatal: |unrecognized option|invalid option)")


def failure_of_sbatch(exit_code: int | None, stderr: str) -> Failure:
    """What a failed sbatch means, by its last words; what is unheard of is UNKNOWN, the one answer that is never wrong.

    `exit_code` is None where the command was lost or ran out of time.
    """
    lines = [line for line in stderr.splitlines() if line.startswith("sbatch: ")]
    if exit_code is None or exit_code < 0 or not lines:
        return Failure.UNKNOWN
    unsent = any(map(_BEFORE_SENDING.search, lines))
    if words := next((line.removeprefix(_REFUSAL) for line in reversed(lines) if line.startswith(_REFUSAL)), None):
        return _failure_of_submission(words, unsent=unsent)
    if unsent:
        return Failure.NOT_DONE
    return Failure.REFUSED if any(map(_BAD_ARGUMENT.match, lines)) else Failure.UNKNOWN


def failure_of_words(words: str) -> Failure:
    """What slurmctld's own words for a failure mean, or the words of the connection to it."""
    return _failure_of_submission(words, unsent=False)


def _failure_of_submission(words: str, *, unsent: bool) -> Failure:
    if words.startswith(_NOT_DONE) or (unsent and words.startswith(_NOT_AUTHENTIC)):
        return Failure.NOT_DONE
    return Failure.UNKNOWN if words.startswith(_UNKNOWN) else Failure.REFUSED


def refusal(stderr: str) -> str:
    """Slurm's own words for why it does not take a job, a site's job_submit plugin's words included."""
    said = [line.removeprefix(_REFUSAL).removeprefix("sbatch: error: ") for line in stderr.splitlines() if line.strip()]
    return "\n".join(said)[:2000]
