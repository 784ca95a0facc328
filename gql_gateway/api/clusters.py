"""Clusters and how they are, as the watcher last saw them: answering asks no cluster anything."""

from datetime import datetime

import strawberry

from gql_gateway.api.nodes import Node
from gql_gateway.core.ids import global_id
from gql_gateway.store.tables import ClusterStatus


@strawberry.type(description="A partition of a cluster: a group of nodes with limits of its own.")
class Partition:
    name: str = strawberry.field(description="Name, as `ResourcesInput.partition` takes it.")
    is_default: bool = strawberry.field(description="Whether jobs that name no partition go here.")
    state: str = strawberry.field(description="Slurm's own word for its state, such as `UP` or `DRAIN`.")
    time_limit_seconds: int | None = strawberry.field(
        description="Longest time in seconds that a job may ask for; null: no limit."
    )
    nodes: int = strawberry.field(description="Number of nodes.")
    idle_nodes: int = strawberry.field(description="Number of nodes that run nothing.")
    cpus: int = strawberry.field(description="Number of CPUs of all nodes.")
    idle_cpus: int = strawberry.field(description="Number of CPUs that no job uses.")


_PARTITION = ("name", "is_default", "state", "time_limit_seconds", "nodes", "idle_nodes", "cpus", "idle_cpus")


@strawberry.type(description="A Slurm cluster that runs jobs.")
class Cluster(Node):
    name: str = strawberry.field(description="Short name, as `CreateJobInput.cluster` takes it.")
    available: bool = strawberry.field(
        description="Whether the cluster answered when it was last asked. Jobs can be launched at any time: those "
        "launched while it is away start when it is back."
    )
    message: str | None = strawberry.field(description="Why it is not available; null where it is.")
    slurm_version: str | None = strawberry.field(
        description="Version of Slurm, such as `24.11.5`; null before the first answer."
    )
    checked_at: datetime | None = strawberry.field(description="When it was last asked; null before the first time.")
    partitions: list[Partition] | None = strawberry.field(
        description="Its partitions as they were last seen; null before the first answer."
    )

    @classmethod
    def of(cls, row: ClusterStatus) -> "Cluster":
        """A cluster, from what the watcher wrote down."""
        partitions = row.partitions
        return cls(
            id=strawberry.ID(global_id("cluster", row.name)),
            name=row.name,
            available=row.available,
            message=row.message,
            slurm_version=row.slurm_version,
            checked_at=row.checked_at,
            partitions=None if partitions is None else [_partition(values) for values in partitions],
        )


def _partition(values: dict[str, object]) -> Partition:
    return Partition(**{name: values[name] for name in _PARTITION})  # type: ignore[arg-type]  # a row's JSON


@strawberry.type(description="Whether a cluster can be reached.")
class ClusterHealth:
    name: str = strawberry.field(description="Name of the cluster.")
    available: bool = strawberry.field(description="Whether the cluster answered when it was last asked.")
    message: str | None = strawberry.field(description="Why it is not available; null where it is.")


@strawberry.type(description="Whether this gateway works, and its clusters.")
class Heartbeat:
    ok: bool = strawberry.field(description="True: the gateway and its database answer. See `clusters` for the rest.")
    version: str = strawberry.field(description="Version of the gateway.")
    time: datetime = strawberry.field(description="Time of the gateway's clock.")
    clusters: list[ClusterHealth] = strawberry.field(description="Each cluster, in the order of the configuration.")
