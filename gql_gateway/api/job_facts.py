"""What a job is and how it stands: all that is read from its row."""

from datetime import UTC, datetime
from operator import itemgetter

import strawberry

from gql_gateway.api.enums import JobState, Source
from gql_gateway.api.fields import read, resolved
from gql_gateway.api.resources import USAGE_COLUMNS, JobUsage, Label, Resources
from gql_gateway.core.states import ACTIVE, FINAL
from gql_gateway.store.tables import Job


@strawberry.type
class JobFacts:
    """Fields of a job."""

    name: str = read("row.name", "Name for people to read; it need not be unique.")
    image: str = read("row.spec", "Container image that it runs in.", itemgetter("image"))
    command: str | None = read(
        "row.spec",
        "Command line that the container's own shell runs; null: `args`, or the image's entry point.",
        itemgetter("command"),
    )
    args: list[str] | None = read(
        "row.spec",
        "Command and arguments that run without a shell; null: `command`, or the image's entry point.",
        itemgetter("args"),
    )
    resources: Resources = read("row.spec", "What it asks of the cluster.", lambda spec: Resources(**spec["resources"]))
    script: str = read("row.script", "The job script `run.sh`, word for word. It never changes.")
    script_sha256: str = read("row.script_sha256", "SHA-256 of the script, in hexadecimal digits.")
    state: JobState = read("row.state", "Where it is in its life.")
    is_final: bool = read("row.state", "Whether it has ended, so that `state` changes no more.", FINAL.__contains__)
    slurm_job_id: str | None = read("row.slurm_job_id", "Slurm's number of the job; null before it is queued.")
    native_state: str | None = read(
        "row.native_state",
        "Slurm's own word for the state, such as `PENDING` or `NODE_FAIL`; null before it is queued.",
    )
    reason: str | None = read("row.reason", "Why it waits or why it ended, in words.")
    exit_code: int | None = read(
        "row.exit_code", "Exit code of the command, 0 to 255; null before its end, and where a signal ended it."
    )
    signal: int | None = read("row.signal", "Number of the signal that ended it; null where none did.")
    source: Source = read("row.source", "Who bore witness to `state`.")
    created_at: datetime = read("row.created_at", "When it was created.")
    launched_at: datetime | None = read("row.launched_at", "When its launch was asked for.")
    queued_at: datetime | None = read("row.queued_at", "When Slurm took it into its queue.")
    expected_start_at: datetime | None = read(
        "row.expected_start_at", "When Slurm expects to start it; null where Slurm does not say."
    )
    started_at: datetime | None = read("row.started_at", "When it began to run.")
    ended_at: datetime | None = read("row.ended_at", "When it ended.")
    cancel_requested_at: datetime | None = read("row.cancel_requested_at", "When somebody asked to cancel it.")
    observed_at: datetime | None = read(
        "row.observed_at",
        "When Slurm last confirmed the state. While the cluster cannot be reached, this stands still.",
    )
    can_launch: bool = read(
        "row.state", "Whether `launch` would submit it now.", lambda state: state is JobState.CREATED
    )
    can_cancel: bool = read(
        ("row.state", "row.cancel_requested_at"),
        "Whether `cancel` would change anything now.",
        lambda state, asked: (state in ACTIVE or state is JobState.CREATED) and asked is None,
    )
    labels: list[Label] = read(
        "row.spec",
        "Its labels, in the order in which they were given.",
        lambda spec: [Label(**label) for label in spec.get("labels", ())],
    )
    row: strawberry.Private[Job]

    @resolved(
        "What it used so far; null before it starts. The site's accounts tell most of it, some seconds after its end.",
        *USAGE_COLUMNS,
    )
    def usage(self) -> JobUsage | None:
        """What the watcher learned once, and the time."""
        return JobUsage.of(self.row, datetime.now(UTC))
