"""Questions to Slurm besides a job's state: what it used, and when it would start. Text in, values out, no I/O."""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

from gql_gateway.cluster import slurm_words as words
from gql_gateway.cluster.slurm import Answer, names_and_times, no_answer, sbatch
from gql_gateway.core.errors import ClusterUnavailable, SubmitRefused
from gql_gateway.core.states import FINAL
from gql_gateway.core.usage import Forecast, Usage

_COLUMNS = ("JobIDRaw", "State", "TotalCPU", "MaxRSS", "NodeList", "JobName")
_CPU = re.compile(r"(?:([0-9]+)-)?(?:([0-9]+):)?([0-9]+):([0-9]+(?:\.[0-9]+)?)")

Known = Mapping[tuple[str, str], Usage]
"""By a job's token and Slurm number, since Slurm uses its numbers again."""


def sacct_usage(job_ids: Sequence[str], now: datetime) -> list[str]:
    """What ended jobs used, memory in bytes (`--noconvert`) and of their steps, so those are asked for too."""
    output = ["--noheader", "--parsable2", "--noconvert", f"--format={','.join(_COLUMNS)}"]
    return ["sacct", *output, *names_and_times(job_ids, now)]


def read_usage(answer: Answer) -> Known | None:
    """What sacct says of jobs that ended; None where the site keeps no accounts.

    Raises:
        ClusterUnavailable: it cannot be asked now.
    """
    if "accounting storage is disabled" in answer.stderr:
        return None
    if answer.exit_code != 0:
        raise no_answer("sacct", answer)
    rows = [row for line in answer.lines() if len(row := line.split("|")) == len(_COLUMNS)]
    peaks = dict(_peaks(rows))
    return {
        (name, number): Usage(_seconds(cpu), peaks.get(number), _named(nodes))
        for number, state, cpu, _, nodes, name in rows
        if number.isdecimal() and words.job_state(state) in FINAL
    }


def _peaks(rows: Sequence[Sequence[str]]) -> Iterator[tuple[str, int]]:
    """The most memory of any task of a job's steps, by the job's number; the largest comes last."""
    seen = [(int(row[3]), row[0].partition(".")) for row in rows if row[3].isdecimal()]
    for memory, (number, dot, _) in sorted(seen):
        if dot:
            yield number, memory


def _seconds(text: str) -> float | None:
    """From `days-hours:minutes:seconds.fraction`, the first two missing where they are 0."""
    match = _CPU.fullmatch(text)
    if not match:
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _named(nodes: str) -> str | None:
    return None if nodes in {"", "None assigned", "(null)"} else nodes


# --- when it would start --------------------------------------------------------------------------------------------

_STARTS = re.compile(r"Job [0-9]+ to start at ([0-9]+) using [0-9]+ processors on nodes (\S+) in partition (\S+)")
_FAILURE = "allocation failure: "


def sbatch_test(job_id: str) -> list[str]:
    """Ask what would become of the script on standard input, and submit nothing."""
    return [*sbatch(job_id), "--test-only"]


def read_forecast(answer: Answer) -> Forecast:
    """What Slurm would do with it.

    Raises:
        SubmitRefused: Slurm would not take it; with its words.
        ClusterUnavailable: it cannot be asked now.
    """
    said = [line.removeprefix("sbatch: ") for line in answer.stderr.splitlines() if line.strip()]
    if answer.exit_code != 0:
        raise _refusal(answer, said)
    for line in said:
        if match := _STARTS.match(line):
            return Forecast(line, datetime.fromtimestamp(int(match[1]), UTC), match[3], match[2])
    return Forecast("\n".join(said) or "Slurm would take it.", None, None, None)


def _refusal(answer: Answer, said: Sequence[str]) -> SubmitRefused | ClusterUnavailable:
    failures = [line.removeprefix(_FAILURE) for line in said if line.startswith(_FAILURE)]
    if not failures or words.failure_of_words(failures[-1]) is not words.Failure.REFUSED:
        return no_answer("sbatch --test-only", answer)
    return SubmitRefused("\n".join(line.removeprefix(_FAILURE).removeprefix("error: ") for line in said)[:2000])
