"""What mutations are given. The rules of each value are in core/spec.py; here they are told."""

from datetime import datetime
from typing import Any

import strawberry

from gql_gateway.api.enums import Role
from gql_gateway.api.filters import LabelInput
from gql_gateway.api.paging import given
from gql_gateway.api.scalars import ByteCount, Upload
from gql_gateway.core.errors import ErrorCode, refuse

KEY_LENGTH = 255


@strawberry.input(description="What a job asks of the cluster. The partition's limits apply.")
class ResourcesInput:
    partition: str | None = strawberry.field(
        default=strawberry.UNSET, description="One partition's name, as in `Cluster.partitions`; null: the default one."
    )
    nodes: int | None = strawberry.field(default=1, description="Number of nodes, 1 to 10000.")
    tasks_per_node: int | None = strawberry.field(
        default=1, description="Number of tasks on each node, 1 to 4096. Your command is started once; MPI uses these."
    )
    cpus_per_task: int | None = strawberry.field(default=1, description="Number of CPUs for each task, 1 to 4096.")
    memory_per_node: ByteCount | None = strawberry.field(
        default=strawberry.UNSET,
        description="Memory on each node in bytes, at least 1048576 (1 MiB); null: the partition's default.",
    )
    gpus_per_node: int | None = strawberry.field(default=0, description="Number of GPUs on each node, 0 to 64.")
    time_limit_seconds: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="Longest time in seconds that the job may run, at most 366 days; null: the partition's default. "
        "Slurm counts in minutes, so it is rounded up.",
    )
    account: str | None = strawberry.field(
        default=strawberry.UNSET, description="Slurm account to charge; null: the default one."
    )
    qos: str | None = strawberry.field(
        default=strawberry.UNSET, description="Quality of service in Slurm's sense; null: the default one."
    )


@strawberry.input(description="A variable set inside the container.")
class EnvironmentVariable:
    name: str = strawberry.field(
        description="Letters, digits and `_`, at most 128. Names that begin with `SLURM`, `SINGULARITY`, `APPTAINER` "
        "and the like belong to others."
    )
    value: str = strawberry.field(description="At most 8192 characters; no control characters but tab and newline.")


@strawberry.input(
    description="A job to create. Give `command`, or `args`, or neither for what the image starts by itself."
)
class CreateJobInput:
    name: str = strawberry.field(
        description="Name for people to read: 1 to 64 letters, digits, spaces and `. _ + @ -`, beginning with a letter "
        "or digit."
    )
    image: str = strawberry.field(
        description="Container image: `docker://…`, `oras://…`, `library://…`, `shub://…`, `http(s)://…`, or the "
        "absolute path of one on the cluster. The site decides which are allowed."
    )
    command: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Command line that the container's own shell runs in `/job`, the job's folder; so pipes and `>` "
        "work. At most 65536 bytes.",
    )
    args: list[str] | None = strawberry.field(
        default=strawberry.UNSET,
        description="Instead of `command`: a program and its arguments, run in `/job` without a shell. At most 1000.",
    )
    resources: ResourcesInput | None = strawberry.field(
        default=strawberry.UNSET, description="What it asks of the cluster; null: one task on one CPU."
    )
    environment: list[EnvironmentVariable] | None = strawberry.field(
        default=strawberry.UNSET, description="Variables set inside the container, at most 200."
    )
    cluster: str | None = strawberry.field(
        default=strawberry.UNSET, description="Where to run, as in `Cluster.name`; null: the first cluster."
    )
    labels: list[LabelInput] | None = strawberry.field(
        default=strawberry.UNSET, description="Labels to find the job by, at most 32."
    )
    idempotency_key: str | None = strawberry.field(
        default=strawberry.UNSET,
        description=f"A text of your choice, such as a UUID, of at most {KEY_LENGTH} characters, so that trying again "
        "does no harm: the same key with the same values returns the first job.",
    )

    @property
    def key(self) -> str | None:
        """The idempotency key.

        Raises:
            Refused: INVALID_INPUT for one that no database keeps in an index.
        """
        key = given(self.idempotency_key)
        if key is not None and not (0 < len(key) <= KEY_LENGTH and key.isprintable()):
            raise refuse(
                ErrorCode.INVALID_INPUT,
                f"idempotencyKey: must be 1 to {KEY_LENGTH} printable characters.",
                "input",
                "idempotencyKey",
            )
        return key

    def values(self) -> dict[str, object]:
        """The values that make up a job's specification, as core/spec.py takes them."""
        found = _given(self, "name", "image", "command", "args")
        if "args" in found:
            found["args"] = tuple(found["args"])
        if self.resources:
            found["resources"] = _given(self.resources, *ResourcesInput.__annotations__)
        if self.environment:
            found["environment"] = tuple({"name": item.name, "value": item.value} for item in self.environment)
        if self.labels:
            found["labels"] = tuple({"key": label.key, "value": label.value} for label in self.labels)
        return found


def _given(source: object, *names: str) -> dict[str, Any]:
    """Those of the values that were given: null stands for the default, like leaving a value out."""
    values = {name: getattr(source, name) for name in names}
    return {name: value for name, value in values.items() if value is not None and value is not strawberry.UNSET}


@strawberry.input(description="A file to upload.")
class UploadInput:
    job_id: strawberry.ID = strawberry.field(description="Id of the job.")
    file: Upload = strawberry.field(description="The content, as a part of a multipart request.")
    path: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="Where to put it, relative to the job's folder; folders on the way are made. Null: the name that "
        "the file part has.",
    )


@strawberry.input(description="A file that will be uploaded in one or several requests, over any number of cuts.")
class CreateUploadInput:
    job_id: strawberry.ID = strawberry.field(description="Id of the job.")
    path: str = strawberry.field(
        description="Where to put it, relative to the job's folder; folders on the way are made."
    )
    size: ByteCount = strawberry.field(description="Size of the whole file in bytes.")
    sha256: str | None = strawberry.field(
        default=strawberry.UNSET,
        description="SHA-256 of the whole file, 64 hexadecimal digits: what arrives must have it. Null: no check.",
    )
    overwrite: bool = strawberry.field(
        default=True, description="Whether to take the place of a file there; otherwise that is an error."
    )


@strawberry.input(description="A file or folder to delete.")
class DeleteFileInput:
    job_id: strawberry.ID = strawberry.field(description="Id of the job.")
    path: str = strawberry.field(
        description="What to delete, relative to the job's folder; a folder goes with all it holds."
    )


@strawberry.input(description="A job to do something with.")
class JobInput:
    job_id: strawberry.ID = strawberry.field(description="Id of the job.")


@strawberry.input(description="A token to make for yourself.")
class CreateTokenInput:
    name: str = strawberry.field(description="What it is for: 1 to 100 characters.")
    role: Role | None = strawberry.field(
        default=Role.USER, description="What a request with it may do; `ADMIN` only for administrators."
    )
    expires_at: datetime | None = strawberry.field(
        default=strawberry.UNSET,
        description="When it stops working; null: as late as this gateway allows. A token that was made with another "
        "one ends with it at the latest.",
    )


@strawberry.input(description="A token to revoke.")
class RevokeTokenInput:
    id: strawberry.ID = strawberry.field(description="Id of a token of yours.")
