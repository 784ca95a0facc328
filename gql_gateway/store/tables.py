"""Tables of the store. Every time is aware and in UTC, on both databases (SQLModel's `UTCDateTime`)."""

from datetime import datetime
from typing import Any, ClassVar, TypeVar

import sqlalchemy
from sqlalchemy import JSON, BigInteger, Enum, ForeignKey, Index, Integer, MetaData, Text, UniqueConstraint
from sqlalchemy.orm import configure_mappers
from sqlmodel import Field, SQLModel

from gql_gateway.core.audit import AuditAction
from gql_gateway.core.identity import Role
from gql_gateway.core.ids import new_id
from gql_gateway.core.states import JobState, Source

# Named constraints, since a migration can only drop what it can name.
METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
# Words as text and not as a type of PostgreSQL's: a new word then needs no migration.
_STATE = Enum(JobState, native_enum=False, length=20)
_SOURCE = Enum(Source, native_enum=False, length=20)
_ROLE = Enum(Role, native_enum=False, length=20)
_ACTION = Enum(AuditAction, native_enum=False, length=20)
# SQLite numbers rows by itself only in a column that is exactly INTEGER.
_CURSOR = BigInteger().with_variant(Integer(), "sqlite")


class Table(SQLModel):
    """What the tables have in common."""

    metadata: ClassVar[MetaData] = METADATA


_Row = TypeVar("_Row", bound=Table)


def table_of(kind: type[Table]) -> sqlalchemy.Table:
    """The table of a kind of row, for statements that need none of the mapper's help."""
    return METADATA.tables[str(kind.__tablename__)]


def made(kind: type[_Row], **values: Any) -> _Row:
    """A row with a value for each column, as an object that no session knows; made as SQLAlchemy makes those it reads.

    The constructor checks no more than this does, and takes 0.15 ms for a job.
    """
    row: _Row = sqlalchemy.inspect(kind).class_manager.new_instance()
    vars(row).update(values)
    return row


class User(Table, table=True):
    """A person with a folder on the cluster."""

    __tablename__ = "users"

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    email: str = Field(unique=True)
    name: str
    folder: str = Field(unique=True, description="Name of the user's folder, below the cluster's root.")
    created_at: datetime


class Job(Table, table=True):
    """A calculation: what was asked for, where it stands, and who says so."""

    __tablename__ = "jobs"
    __table_args__ = (
        UniqueConstraint("owner_id", "idempotency_key"),
        Index(None, "owner_id", "id"),  # a user's page, newest first
        Index(None, "owner_id", "state", "id"),  # a page of one state, counts, the limit of active jobs
        Index(None, "cluster", "state"),  # what the watcher asks for
        Index(None, "cluster", "usage_due"),  # the same, of what ended
    )

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    owner_id: str = Field(foreign_key="users.id", max_length=32)
    cluster: str
    name: str
    spec: dict[str, Any] = Field(sa_type=JSON)
    folder: str = Field(description="Path below the cluster's root: the user's folder and the job's.")
    script: str = Field(sa_type=Text)
    script_sha256: str = Field(max_length=64)
    created_at: datetime

    state: JobState = Field(default=JobState.CREATED, sa_type=_STATE)
    native_state: str | None = None
    reason: str | None = Field(default=None, sa_type=Text)
    exit_code: int | None = None
    signal: int | None = None
    slurm_job_id: str | None = None
    submitted_at: datetime | None = Field(default=None, description="Slurm's own submit time.")
    launched_at: datetime | None = None
    queued_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    expected_start_at: datetime | None = None
    observed_at: datetime | None = Field(default=None, description="When Slurm last confirmed the state.")
    source: Source = Field(default=Source.GATEWAY, sa_type=_SOURCE)

    usage_due: bool = Field(default=False, description="It ended, and accounting is to be asked what it used.")
    cpu_seconds: float | None = None
    peak_memory: int | None = Field(default=None, sa_type=BigInteger, description="Most bytes of one task.")
    nodes: str | None = Field(default=None, sa_type=Text, description="Nodes it ran on, in Slurm's short form.")

    cancel_requested_at: datetime | None = None
    cancel_requested_by: str | None = None
    submit_attempts: int = 0
    submit_unknown_since: datetime | None = Field(default=None, description="An sbatch was begun, its outcome is open.")
    missing_since: datetime | None = Field(default=None, description="First poll in which Slurm did not list it.")

    idempotency_key: str | None = None
    input_sha256: str | None = Field(default=None, max_length=64)
    cloned_from: str | None = Field(default=None, max_length=32)
    prepared: bool = Field(default=False, description="Whether its folder exists; invisible until then.")
    deleted_at: datetime | None = Field(default=None, description="Since when it is invisible and its folder goes.")


class JobEvent(Table, table=True):
    """A change of a job's state, never changed itself. `id` is the cursor: larger is later, and none is used again."""

    __tablename__ = "job_events"
    __table_args__ = (
        Index(None, "owner_id", "id"),
        Index(None, "job_id", "id"),
        Index(None, "at"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=_CURSOR)
    job_id: str = Field(sa_column_args=[ForeignKey("jobs.id", ondelete="CASCADE")], max_length=32)
    owner_id: str = Field(max_length=32)
    previous_state: JobState | None = Field(default=None, sa_type=_STATE)
    state: JobState = Field(sa_type=_STATE)
    reason: str | None = Field(default=None, sa_type=Text)
    at: datetime
    source: Source = Field(sa_type=_SOURCE)
    actor: str | None = Field(default=None, description="E-mail of the person who did it; None: nobody did.")


class JobInput(Table, table=True):
    """A file that a user uploaded to a job: what a clone starts with."""

    __tablename__ = "job_inputs"

    job_id: str = Field(foreign_key="jobs.id", ondelete="CASCADE", primary_key=True, max_length=32)
    path: str = Field(primary_key=True)
    uploaded_at: datetime


class Upload(Table, table=True):
    """An upload that was begun, so that what is left of it is found when its time is over."""

    __tablename__ = "uploads"

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    job_id: str = Field(foreign_key="jobs.id", ondelete="CASCADE", index=True, max_length=32)
    expires_at: datetime = Field(index=True)


class JobLabel(Table, table=True):
    """A label of a job, to find it by; the job's spec holds the same."""

    __tablename__ = "job_labels"
    __table_args__ = (Index(None, "key", "value"),)

    job_id: str = Field(foreign_key="jobs.id", ondelete="CASCADE", primary_key=True, max_length=32)
    key: str = Field(primary_key=True, max_length=63)
    value: str = Field(max_length=255)


class ApiToken(Table, table=True):
    """A token of the gateway's own; only its hash is known."""

    __tablename__ = "api_tokens"

    id: str = Field(default_factory=new_id, primary_key=True, max_length=32)
    token_sha256: str = Field(unique=True, max_length=64)
    email: str = Field(index=True)
    name: str
    role: Role = Field(default=Role.USER, sa_type=_ROLE)
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None


class GatewayAuditEntry(Table, table=True):
    """Who did what to which job, never changed. It outlives the job: nothing here refers to another table."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index(None, "job_id", "id"),
        Index(None, "actor", "id"),
        Index(None, "at"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=_CURSOR)
    at: datetime
    actor: str = Field(description="E-mail of who did it, or `operator` for the command line.")
    role: Role = Field(sa_type=_ROLE)
    credential: str = Field(description="Which token it was done with, never the token itself.")
    request_id: str | None = Field(default=None, description="Id of the request, as the log has it.")
    action: AuditAction = Field(sa_type=_ACTION)
    job_id: str | None = Field(default=None, max_length=32)
    owner_id: str | None = Field(default=None, max_length=32, description="Whose job it is.")
    detail: str | None = Field(default=None, sa_type=Text, description="A file's path, or a token's id.")


class Lease(Table, table=True):
    """Who alone may do something, and until when."""

    __tablename__ = "leases"

    name: str = Field(primary_key=True)
    holder: str
    expires_at: datetime


class ClusterStatus(Table, table=True):
    """What the watcher last saw of a cluster, so that every process can answer without asking it."""

    __tablename__ = "cluster_status"

    name: str = Field(primary_key=True)
    available: bool = False
    message: str | None = Field(default=None, sa_type=Text)
    slurm_version: str | None = None
    checked_at: datetime | None = None
    partitions: list[dict[str, Any]] | None = Field(default=None, sa_type=JSON(none_as_null=True))


class Mark(Table, table=True):
    """A number that the gateway remembers under a name."""

    __tablename__ = "marks"

    name: str = Field(primary_key=True)
    value: int = Field(sa_type=BigInteger)


configure_mappers()  # else SQLAlchemy does at the first constructor, and what was `made` before has no attributes
