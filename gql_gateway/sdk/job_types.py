"""What the gateway answers of jobs and files; any of it may also be read like a dict: `status["files"][0]["name"]`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar

from gql_gateway.sdk.record import Record, parse_time, read_time
from gql_gateway.sdk.run_types import Resources, Usage


class JobState(str, Enum):  # noqa: UP042 - StrEnum begins with Python 3.11
    """Where a job is in its life."""

    CREATED = "CREATED"
    LAUNCHING = "LAUNCHING"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUSPENDED = "SUSPENDED"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    NODE_FAILED = "NODE_FAILED"
    LOST = "LOST"

    @property
    def is_final(self) -> bool:
        """Whether a job in this state has ended."""
        return self not in _UNFINISHED

    def __str__(self) -> str:
        return self.value


_UNFINISHED = frozenset(
    {JobState.CREATED, JobState.LAUNCHING, JobState.QUEUED, JobState.RUNNING, JobState.SUSPENDED},
)


class FileKind(str, Enum):  # noqa: UP042 - as above
    """What an entry of a folder is."""

    FILE = "FILE"
    DIRECTORY = "DIRECTORY"
    SYMLINK = "SYMLINK"
    OTHER = "OTHER"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class JobInfo(Record):
    """A job as the gateway last showed it, with the evidence for its state.

    `labels` are in the order in which they were given; `usage` is None before it starts.
    """

    id: str
    name: str
    cluster: str
    folder: str
    image: str
    command: str | None
    args: list[str] | None
    resources: Resources
    state: JobState
    is_final: bool
    slurm_job_id: str | None
    native_state: str | None
    reason: str | None
    exit_code: int | None
    signal: int | None
    created_at: datetime
    launched_at: datetime | None
    expected_start_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    observed_at: datetime | None
    labels: dict[str, str]
    usage: Usage | None

    _aliases: ClassVar[Mapping[str, str]] = {"jobid": "id", "_id": "id", "message": "message"}

    @property
    def message(self) -> str:
        """The state in words."""
        return f"{self.state}: {self.reason}" if self.reason else str(self.state)

    @property
    def cpu_efficiency(self) -> float | None:
        """Processor time as a part of what the CPUs asked for could give while it ran; None where it is not known.

        It may be above 1: Slurm may give whole cores for CPUs, and not every site holds a job to its CPUs.
        """
        if self.usage is None or self.usage.cpu_seconds is None or not self.usage.elapsed_seconds:
            return None
        return self.usage.cpu_seconds / (self.usage.elapsed_seconds * self.resources.cpus)

    @classmethod
    def values(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        """Read the gateway's answer into the values of the fields."""
        return {
            "id": data["id"],
            "name": data["name"],
            "cluster": data["cluster"]["name"],
            "folder": data["folder"],
            "image": data["image"],
            "command": data["command"],
            "args": data["args"],
            "resources": Resources.of(data["resources"]),
            "state": JobState(data["state"]),
            "is_final": data["isFinal"],
            "slurm_job_id": data["slurmJobId"],
            "native_state": data["nativeState"],
            "reason": data["reason"],
            "exit_code": data["exitCode"],
            "signal": data["signal"],
            "created_at": read_time(data["createdAt"]),
            "launched_at": parse_time(data["launchedAt"]),
            "expected_start_at": parse_time(data["expectedStartAt"]),
            "started_at": parse_time(data["startedAt"]),
            "ended_at": parse_time(data["endedAt"]),
            "observed_at": parse_time(data["observedAt"]),
            "labels": {label["key"]: label["value"] for label in data["labels"]},
            "usage": Usage.of(data["usage"]) if data["usage"] else None,
        }

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "JobInfo":
        """Read the gateway's answer."""
        return cls(**cls.values(data))


@dataclass(frozen=True)
class FileInfo(Record):
    """An entry of a job's folder. `path` is relative to the folder; `download_url` is short-lived."""

    path: str
    name: str
    kind: FileKind
    size: int
    modified_at: datetime
    download_url: str | None

    _aliases: ClassVar[Mapping[str, str]] = {"type": "kind", "last_modified": "modified_at"}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "FileInfo":
        """Read the gateway's answer."""
        modified = read_time(data["modifiedAt"])
        kind = FileKind(data["kind"])
        return cls(data["path"], data["name"], kind, data["size"], modified, data["downloadUrl"])


@dataclass(frozen=True)
class JobStatus(JobInfo):
    """A job with the files in its folder; `files` is None while the cluster cannot be asked."""

    files: list[FileInfo] | None = None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "JobStatus":
        """Read the gateway's answer."""
        files = data["files"]
        return cls(**cls.values(data), files=None if files is None else [FileInfo.of(entry) for entry in files])


@dataclass(frozen=True)
class JobChange(Record):
    """A job went from one state to another. `job` is the job as it is now; `cursor` continues behind this change."""

    cursor: str
    previous_state: JobState | None
    state: JobState
    reason: str | None
    at: datetime
    job: JobInfo = field(repr=False)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "JobChange":
        """Read the gateway's answer."""
        before = data["previousState"]
        return cls(
            cursor=data["cursor"],
            previous_state=JobState(before) if before else None,
            state=JobState(data["state"]),
            reason=data["reason"],
            at=read_time(data["at"]),
            job=JobInfo.of(data["job"]),
        )


@dataclass(frozen=True)
class OutputChunk(Record):
    """A piece of a text file as it grows. `next_offset` continues behind it; `end` is true in the last one."""

    path: str
    offset: int
    next_offset: int
    text: str
    end: bool

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "OutputChunk":
        """Read the gateway's answer."""
        return cls(data["path"], data["offset"], data["nextOffset"], data["text"], data["end"])


@dataclass(frozen=True)
class Deleted(Record):
    """A file that is gone."""

    path: str
    message: str = "File deleted."


@dataclass(frozen=True)
class Transfer(Record):
    """A file that was sent or fetched. `verified`: the other side computed the same SHA-256."""

    path: str
    local_path: Path
    size: int
    sha256: str
    verified: bool
    message: str = "File transferred."


@dataclass(frozen=True)
class Archive(Record):
    """A folder that was fetched as one file, with the number of regular files in it; `path` is empty for the job's own.

    That it is whole was seen; unlike for a single file, the gateway has no checksum of it.
    """

    path: str
    local_path: Path
    size: int
    files: int
    message: str = "Folder transferred."
