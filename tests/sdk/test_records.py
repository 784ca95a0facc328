"""Answers are typed values that may also be read like a dict."""

import json
from datetime import UTC, datetime

import pytest

from gql_gateway.sdk.job_types import FileKind, JobInfo, JobState, JobStatus
from gql_gateway.sdk.record import read_time
from gql_gateway.sdk.run_types import Usage

RESOURCES = {
    "partition": None,
    "nodes": 1,
    "tasksPerNode": 1,
    "cpusPerTask": 1,
    "memoryPerNode": None,
    "gpusPerNode": 0,
    "timeLimitSeconds": 60,
}
USED = {"elapsedSeconds": 10, "cpuSeconds": 15.0, "peakMemory": 1_200_000_000, "nodes": "c[1-2]"}
JOB = {
    "id": "job_1",
    "name": "n",
    "cluster": {"name": "local"},
    "folder": "/scratch/x",
    "image": "i",
    "command": "c",
    "args": None,
    "resources": RESOURCES,
    "state": "FAILED",
    "isFinal": True,
    "slurmJobId": "7",
    "nativeState": "FAILED",
    "reason": "It ended with exit code 3.",
    "exitCode": 3,
    "signal": None,
    "createdAt": "2026-11-22T16:00:00.000Z",
    "launchedAt": None,
    "expectedStartAt": None,
    "startedAt": "2026-11-22T16:00:01+00:00",
    "endedAt": None,
    "observedAt": None,
    "labels": [{"key": "project", "value": "water"}, {"key": "a", "value": ""}],
    "usage": USED,
    "files": [
        {
            "path": "run.sh",
            "name": "run.sh",
            "kind": "FILE",
            "size": 2**40,
            "modifiedAt": "2026-11-22T16:00:00Z",
            "downloadUrl": None,
        }
    ],
}


def test_by_attribute_and_by_key() -> None:
    status = JobStatus.of(JOB)
    assert status.state is JobState.FAILED
    assert status["state"] == "FAILED"
    assert (status["jobid"], status["_id"], status.id) == ("job_1", "job_1", "job_1")
    assert status["message"] == "FAILED: It ended with exit code 3."
    assert status["files"][0]["name"] == "run.sh"
    assert status["files"][0]["type"] is FileKind.FILE
    assert status.get("nothing", 5) == 5
    assert dict(status)["exit_code"] == 3
    with pytest.raises(KeyError):
        status["as_dict"]


def test_json() -> None:
    plain = json.loads(json.dumps(JobStatus.of(JOB).as_dict()))
    assert plain["created_at"] == "2026-11-22T16:00:00+00:00"
    assert plain["resources"]["time_limit_seconds"] == 60
    assert plain["files"][0]["size"] == 2**40
    assert list(plain["labels"].items()) == [("project", "water"), ("a", "")]


def test_files_that_cannot_be_asked_for() -> None:
    assert JobStatus.of({**JOB, "files": None}).files is None


def test_what_a_job_used() -> None:
    job = JobInfo.of(JOB)
    assert job.usage == Usage(elapsed_seconds=10, cpu_seconds=15.0, peak_memory=1_200_000_000, nodes="c[1-2]")
    assert job.as_dict()["usage"]["peak_memory"] == 1_200_000_000
    assert job.cpu_efficiency == 1.5
    assert JobInfo.of({**JOB, "resources": {**RESOURCES, "nodes": 2, "cpusPerTask": 3}}).cpu_efficiency == 0.25
    assert JobInfo.of({**JOB, "usage": None}).usage is None
    for unknown in ({"cpuSeconds": None}, {"elapsedSeconds": 0}):
        assert JobInfo.of({**JOB, "usage": {**USED, **unknown}}).cpu_efficiency is None


def test_times() -> None:
    assert read_time("2026-11-22T16:00:00.250Z") == datetime(2026, 11, 22, 16, 0, 0, 250_000, UTC)


def test_final_states() -> None:
    assert {state for state in JobState if not state.is_final} == {
        "CREATED",
        "LAUNCHING",
        "QUEUED",
        "RUNNING",
        "SUSPENDED",
    }
