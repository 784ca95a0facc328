"""What `hpc` shows to people, line by line."""

from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console

from gql_gateway.sdk.cli_show import forecast_words, job_table
from gql_gateway.sdk.job_types import JobInfo
from gql_gateway.sdk.run_types import Forecast
from tests.sdk.test_records import JOB, RESOURCES, USED


def facts(*names: str, **changes: Any) -> list[str | None]:
    """What `hpc show` says below some names; None: nothing."""
    console = Console(width=100)
    with console.capture() as shown:
        console.print(job_table(JobInfo.of({**JOB, **changes})))
    lines = shown.get().splitlines()
    return [next((line[len(name) :].strip() for line in lines if line.startswith(name)), None) for name in names]


@pytest.mark.parametrize(
    ("asked", "used", "cpu_time", "memory"),
    [
        ({}, {}, "15.0s, 150% of 1 CPU", "1.2 GB"),
        ({"memoryPerNode": 4 * 2**30}, {"cpuSeconds": 5.0}, "5.0s, 50% of 1 CPU", "1.2 GB of 4.3 GB a node"),
        ({"cpusPerTask": 4}, {"elapsedSeconds": 60, "cpuSeconds": 90}, "1m 30s, 38% of 4 CPUs", "1.2 GB"),
        ({"tasksPerNode": 2}, {"elapsedSeconds": 0}, "15.0s", "1.2 GB in one task"),
        ({}, {"cpuSeconds": None, "peakMemory": None}, None, None),
    ],
)
def test_what_a_job_used_against_what_it_asked_for(
    asked: dict[str, object], used: dict[str, object], cpu_time: str | None, memory: str | None
) -> None:
    shown = facts("CPU time", "Peak memory", "Ran on", resources={**RESOURCES, **asked}, usage={**USED, **used})
    assert shown == [cpu_time, memory, "c[1-2]"]


def test_a_job_that_never_ran() -> None:
    shown = facts("Job", "CPU time", "Peak memory", "Ran on", "Labels", usage=None, labels=[])
    assert shown == ["job_1", None, None, None, None]


def test_when_a_job_would_start() -> None:
    at = datetime(2026, 11, 22, 16, tzinfo=UTC).astimezone()
    answer = {
        "expectedStartAt": "2026-11-22T16:00:00.000Z",
        "partition": "debug",
        "nodes": "c[1-2]",
        "words": "Job 7 …",
    }
    words = forecast_words(Forecast.of(answer))
    assert words == f"Slurm would start it at {at:%Y-%m-%d %H:%M:%S} on c[1-2] in partition debug."
    nothing = {"expectedStartAt": None, "partition": None, "nodes": None, "words": "Slurm would take it."}
    assert forecast_words(Forecast.of(nothing)) == "Slurm says: Slurm would take it."
