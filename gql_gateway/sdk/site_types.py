"""What the gateway answers of you, of itself and of its clusters."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from gql_gateway.sdk.record import Record, parse_time, read_time


@dataclass(frozen=True)
class User(Record):
    """You, as the gateway knows you. `folder` is your folder on the cluster."""

    id: str
    email: str
    name: str
    folder: str
    created_at: datetime

    _aliases: ClassVar[Mapping[str, str]] = {"_id": "id", "home": "folder"}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "User":
        """Read the gateway's answer."""
        return cls(data["id"], data["email"], data["name"], data["folder"], read_time(data["createdAt"]))


@dataclass(frozen=True)
class Partition(Record):
    """A part of a cluster with its own limits."""

    name: str
    is_default: bool
    state: str
    time_limit_seconds: int | None
    nodes: int
    idle_nodes: int
    cpus: int
    idle_cpus: int

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Partition":
        """Read the gateway's answer."""
        return cls(
            name=data["name"],
            is_default=data["isDefault"],
            state=data["state"],
            time_limit_seconds=data["timeLimitSeconds"],
            nodes=data["nodes"],
            idle_nodes=data["idleNodes"],
            cpus=data["cpus"],
            idle_cpus=data["idleCpus"],
        )


@dataclass(frozen=True)
class Cluster(Record):
    """A machine that runs jobs. `partitions` is None while it cannot be asked."""

    name: str
    available: bool
    message: str | None
    slurm_version: str | None
    checked_at: datetime | None
    partitions: list[Partition] | None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Cluster":
        """Read the gateway's answer."""
        partitions = data["partitions"]
        return cls(
            name=data["name"],
            available=data["available"],
            message=data["message"],
            slurm_version=data["slurmVersion"],
            checked_at=parse_time(data["checkedAt"]),
            partitions=None if partitions is None else [Partition.of(partition) for partition in partitions],
        )


@dataclass(frozen=True)
class ClusterHealth(Record):
    """Whether a cluster answers, and why not."""

    name: str
    available: bool
    message: str | None


@dataclass(frozen=True)
class Heartbeat(Record):
    """Whether the gateway and its clusters work."""

    ok: bool
    version: str
    time: datetime
    clusters: list[ClusterHealth]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Heartbeat":
        """Read the gateway's answer."""
        clusters = [ClusterHealth(one["name"], one["available"], one["message"]) for one in data["clusters"]]
        return cls(data["ok"], data["version"], read_time(data["time"]), clusters)
