"""What ended jobs used and when a job would start, from answers that were recorded on 24.11.5."""

from datetime import UTC, datetime

import pytest

from gql_gateway.cluster import slurm_usage
from gql_gateway.cluster.slurm import Answer
from gql_gateway.core.errors import ClusterUnavailable, SubmitRefused
from gql_gateway.core.ids import new_id
from gql_gateway.core.usage import Usage

ENDED = "gw-01a20721fa525ed30fc429b005e537c7"
RUNS = "gw-01a20722f46da8b0050050019de49de0"
RECORDED = f"""\
3|COMPLETED|00:00.296||c1|{ENDED}
3.batch|COMPLETED|00:00.296|33460224|c1|batch
3.0|COMPLETED|00:00.100|1024|c1|step
4|RUNNING|00:00:00||c2|{RUNS}
5|CANCELLED by 0|00:00:00||None assigned|{ENDED}
"""


def test_what_ended_jobs_used() -> None:
    known = slurm_usage.read_usage(Answer(0, RECORDED, ""))
    assert known == {
        (ENDED, "3"): Usage(cpu_seconds=0.296, peak_memory=33460224, nodes="c1"),
        (ENDED, "5"): Usage(cpu_seconds=0.0, peak_memory=None, nodes=None),
    }


@pytest.mark.parametrize(("text", "seconds"), [("01:02.500", 62.5), ("02:00:01", 7201.0), ("1-00:00:01", 86401.0)])
def test_processor_time(text: str, seconds: float) -> None:
    known = slurm_usage.read_usage(Answer(0, f"3|FAILED|{text}||c1|{ENDED}\n", ""))
    assert known is not None
    assert known[ENDED, "3"].cpu_seconds == seconds


def test_no_answer_is_no_usage() -> None:
    assert slurm_usage.read_usage(Answer(1, "", "Slurm accounting storage is disabled")) is None
    with pytest.raises(ClusterUnavailable):
        slurm_usage.read_usage(Answer(1, "", "sacct: error: slurm_persist_conn_open"))


def test_nobody_else_is_asked_about() -> None:
    job_id = new_id()
    command = slurm_usage.sacct_usage([job_id], datetime.now(UTC))
    assert f"--name=gw-{job_id}" in command
    assert "--noconvert" in command
    assert slurm_usage.sbatch_test(job_id)[-1] == "--test-only"


def test_a_forecast() -> None:
    words = "Job 1 to start at 1795419938 using 1 processors on nodes c[1-2] in partition debug"
    forecast = slurm_usage.read_forecast(Answer(0, "", f"sbatch: {words}\n"))
    assert forecast.words == words
    assert forecast.expected_start_at == datetime.fromtimestamp(1795419938, UTC)
    assert (forecast.partition, forecast.nodes) == ("debug", "c[1-2]")
    assert slurm_usage.read_forecast(Answer(0, "", "sbatch: Fine.\n")).expected_start_at is None


def test_a_refusal_and_a_controller_that_is_away() -> None:
    with pytest.raises(SubmitRefused) as raised:
        slurm_usage.read_forecast(
            Answer(1, "", "sbatch: error: invalid partition specified: nope\nallocation failure: Invalid partition\n")
        )
    assert raised.value.problems[0].detail == "invalid partition specified: nope\nInvalid partition"
    away = "allocation failure: Unable to contact slurm controller (connect failure)\n"
    with pytest.raises(ClusterUnavailable):
        slurm_usage.read_forecast(Answer(1, "", away))
