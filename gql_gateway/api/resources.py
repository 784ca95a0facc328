"""What jobs ask of a cluster, and how many of them are in which state."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import strawberry

from gql_gateway.api.enums import JobState
from gql_gateway.api.scalars import ByteCount


@strawberry.type(description="What a job asks of the cluster.")
class Resources:
    partition: str | None = strawberry.field(description="Partition; null: the cluster's default one.")
    nodes: int = strawberry.field(description="Number of nodes.")
    tasks_per_node: int = strawberry.field(description="Number of tasks on each node.")
    cpus_per_task: int = strawberry.field(description="Number of CPUs for each task.")
    memory_per_node: ByteCount | None = strawberry.field(
        description="Memory on each node in bytes; null: the partition's default."
    )
    gpus_per_node: int = strawberry.field(description="Number of GPUs on each node.")
    time_limit_seconds: int | None = strawberry.field(
        description="Longest time in seconds that it may run; null: the partition's default. Slurm counts in minutes, "
        "so it is rounded up."
    )
    account: str | None = strawberry.field(description="Slurm account that it is charged to; null: the default one.")
    qos: str | None = strawberry.field(description="Quality of service in Slurm's sense; null: the default one.")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Resources":
        """Resources, from a job's row."""
        return cls(**values)


@strawberry.type(description="Number of jobs in a state.")
class JobStateCount:
    state: JobState = strawberry.field(description="The state.")
    count: int = strawberry.field(description="Number of jobs in it.")


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which of the jobs that the caller may see a list holds; None: whatever it is."""

    states: Sequence[JobState] | None = None
    search: str | None = None
    owner_id: str | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """The conditions that there are, as `services.jobs` takes them."""
        return {name: value for name, value in asdict(self).items() if value is not None}
