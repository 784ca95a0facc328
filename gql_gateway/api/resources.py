"""What jobs ask of a cluster, and how many of them are in which state."""

from datetime import datetime

import strawberry

from gql_gateway.api.enums import JobState
from gql_gateway.api.scalars import ByteCount
from gql_gateway.store.tables import Job

USAGE_COLUMNS = ("started_at", "ended_at", "cpu_seconds", "peak_memory", "nodes")
"""Columns of a job's row that `JobUsage` is made of."""


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


@strawberry.type(description="A key and a value.")
class Label:
    key: str = strawberry.field(description="Key, once in its list.")
    value: str = strawberry.field(description="Value.")


@strawberry.type(description="What a job used of the cluster, beside what it asked for in `resources`.")
class JobUsage:
    elapsed_seconds: int = strawberry.field(description="Time in seconds from its start to its end, or to now.")
    cpu_seconds: float | None = strawberry.field(
        description="Processor time in seconds, over all cores. Null before its end, and where the site does not "
        "measure it."
    )
    peak_memory: ByteCount | None = strawberry.field(
        description="The most memory in bytes that one of its tasks used at a time. Compare it to "
        "`Resources.memoryPerNode`. Null before its end, and where the site does not measure it."
    )
    nodes: str | None = strawberry.field(
        description="The nodes it ran on, in Slurm's short form, such as `c[1-4]`. Null before its end, and where the "
        "site keeps no accounts."
    )

    @classmethod
    def of(cls, row: Job, now: datetime) -> "JobUsage | None":
        """What a job used; None where it never ran."""
        if row.started_at is None:
            return None
        return cls(
            elapsed_seconds=max(0, round(((row.ended_at or now) - row.started_at).total_seconds())),
            cpu_seconds=row.cpu_seconds,
            peak_memory=None if row.peak_memory is None else ByteCount(row.peak_memory),
            nodes=row.nodes,
        )


@strawberry.type(description="What Slurm would do with a job if it were submitted now. It may change its mind.")
class LaunchForecast:
    expected_start_at: datetime | None = strawberry.field(description="When it would start; null: Slurm does not say.")
    partition: str | None = strawberry.field(description="The partition it would run in.")
    nodes: str | None = strawberry.field(description="The nodes it would run on, in Slurm's short form.")
    words: str = strawberry.field(description="Slurm's own words.")


@strawberry.type(description="Number of jobs in a state.")
class JobStateCount:
    state: JobState = strawberry.field(description="The state.")
    count: int = strawberry.field(description="Number of jobs in it.")
