"""What a run asks of Slurm, what Slurm would do with it, and what it used."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gql_gateway.sdk.record import Record, parse_time


@dataclass(frozen=True)
class Resources(Record):
    """What a job asks of Slurm. Memory in bytes on each node, time in seconds; None leaves it to the partition."""

    partition: str | None
    nodes: int
    tasks_per_node: int
    cpus_per_task: int
    memory_per_node: int | None
    gpus_per_node: int
    time_limit_seconds: int | None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Resources":
        """Read the gateway's answer."""
        return cls(
            partition=data["partition"],
            nodes=data["nodes"],
            tasks_per_node=data["tasksPerNode"],
            cpus_per_task=data["cpusPerTask"],
            memory_per_node=data["memoryPerNode"],
            gpus_per_node=data["gpusPerNode"],
            time_limit_seconds=data["timeLimitSeconds"],
        )

    @property
    def cpus(self) -> int:
        """CPUs on all nodes together."""
        return self.nodes * self.tasks_per_node * self.cpus_per_task


@dataclass(frozen=True)
class Forecast(Record):
    """What Slurm would do with a job if it were launched now; it may change its mind.

    `words` are Slurm's own. Where they tell no more, the rest is None. `nodes` are in its short form, such as `c[1-4]`.
    """

    expected_start_at: datetime | None
    partition: str | None
    nodes: str | None
    words: str

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Forecast":
        """Read the gateway's answer."""
        return cls(parse_time(data["expectedStartAt"]), data["partition"], data["nodes"], data["words"])


@dataclass(frozen=True)
class Usage(Record):
    """What a job used so far, beside what it asked for in `resources`.

    Time in seconds, that of processors over all of them together; `peak_memory` in bytes is the most that one task used
    at a time; `nodes` in Slurm's short form, such as `c[1-4]`. All but `elapsed_seconds` come from the site's accounts
    some seconds after the job's end, and are None before, and where the site does not measure them.
    """

    elapsed_seconds: int
    cpu_seconds: float | None
    peak_memory: int | None
    nodes: str | None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Usage":
        """Read the gateway's answer."""
        return cls(data["elapsedSeconds"], data["cpuSeconds"], data["peakMemory"], data["nodes"])
