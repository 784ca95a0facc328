"""Enumerations of the API: the words of the floors below, each with what it means."""

from collections.abc import Mapping
from enum import Enum

import strawberry
from strawberry.types.enum import StrawberryEnumDefinition

from gql_gateway.cluster.files import FileKind
from gql_gateway.core.audit import AuditAction
from gql_gateway.core.errors import ErrorCode
from gql_gateway.core.identity import Role
from gql_gateway.core.order import Direction, OrderField
from gql_gateway.core.states import JobState, Source

__all__ = ["AuditAction", "Direction", "ErrorCode", "FileKind", "JobState", "OrderField", "Role", "Source"]


def _describe(enum: type[Enum], name: str, description: str, members: Mapping[Enum, str]) -> None:
    """Give an enumeration that knows nothing of GraphQL its name there, and every member its meaning.

    Raises:
        KeyError: a member without a meaning.
    """
    strawberry.enum(enum, name=name, description=description)
    definition: StrawberryEnumDefinition = getattr(enum, "__strawberry_definition__")  # noqa: B009 - mypy knows no such attribute
    for value in definition.values:
        value.description = members[enum[value.name]]


_describe(
    JobState,
    "JobState",
    "Where a job is in its life. The states stand in the order in which a job passes them; it may skip some.",
    {
        JobState.CREATED: "Created and never launched. Files can be uploaded; nothing runs.",
        JobState.LAUNCHING: "Its launch was asked for, and Slurm has not confirmed it yet; see `reason`.",
        JobState.QUEUED: "Slurm has it and it waits for its turn; `reason` says why.",
        JobState.RUNNING: "It runs on the cluster.",
        JobState.SUSPENDED: "Slurm stopped it for a while; it can go on.",
        JobState.COMPLETED: "It ended with exit code 0. Final.",
        JobState.FAILED: "It ended with another exit code or by a signal, or Slurm refused it; see `reason`. Final.",
        JobState.CANCELLED: "It was cancelled, by its user or by an administrator, before it ended by itself. Final.",
        JobState.TIMED_OUT: "Slurm stopped it at its time limit. Final.",
        JobState.OUT_OF_MEMORY: "It was stopped because it used more memory than it had asked for. Final.",
        JobState.NODE_FAILED: "A node it ran on failed. Final.",
        JobState.LOST: "Slurm no longer knows it and there is no record of how it ended. Final.",
    },
)

_describe(
    Source,
    "StateSource",
    "Who bore witness to a job's state.",
    {
        Source.GATEWAY: "This gateway, which did it itself.",
        Source.SQUEUE: "Slurm's queue (`squeue`).",
        Source.SACCT: "Slurm's accounting (`sacct`).",
        Source.END_RECORD: "The record that the job's script leaves when it ends.",
    },
)

_describe(
    FileKind,
    "FileKind",
    "What an entry of a job's folder is.",
    {
        FileKind.FILE: "A regular file: the only kind that can be downloaded.",
        FileKind.DIRECTORY: "A folder.",
        FileKind.SYMLINK: "A symbolic link. It is shown and can be deleted, and never followed.",
        FileKind.OTHER: "A pipe, socket or device. It is shown and can be deleted, and never opened.",
    },
)

_describe(
    Role,
    "Role",
    "What a caller may do.",
    {
        Role.USER: "Their own things.",
        Role.ADMIN: "Also see and cancel everybody's jobs, and read the audit log.",
    },
)

_describe(
    AuditAction,
    "AuditAction",
    "An act that the audit log keeps, named like the operation that does it.",
    {
        AuditAction.CREATE_JOB: "A job was created.",
        AuditAction.CLONE_JOB: "A job was created like another one, whose id is in `detail`.",
        AuditAction.LAUNCH: "A job's launch was asked for.",
        AuditAction.CANCEL: "A job's cancellation was asked for.",
        AuditAction.DELETE_JOB: "A job was deleted.",
        AuditAction.UPLOAD: "A file was put into a job's folder.",
        AuditAction.DELETE_FILE: "A file or folder was deleted from a job's folder.",
        AuditAction.DOWNLOAD: "An administrator read a file of another's job.",
        AuditAction.READ_OUTPUT: "An administrator followed a file of another's job as it grew.",
        AuditAction.CREATE_TOKEN: "A token was made, whose id is in `detail`.",
        AuditAction.REVOKE_TOKEN: "A token was revoked, whose id is in `detail`.",
    },
)

_describe(
    ErrorCode,
    "ErrorCode",
    "What is wrong, for programs to read. Treat a code that you do not know like `INVALID_INPUT`.",
    {
        ErrorCode.INVALID_INPUT: "A value breaks the rule of its field.",
        ErrorCode.NOT_FOUND: "There is no such object, or it is not yours: the two look the same.",
        ErrorCode.USER_NOT_CREATED: "You are not a user here yet: call `createUser` first.",
        ErrorCode.NO_ACCOUNT: "You have no account of your own on this cluster, which it asks for; `detail` tells what "
        "to do.",
        ErrorCode.CONFLICT: "The idempotency key was used before, with other values.",
        ErrorCode.FILE_NOT_FOUND: "There is nothing at this path.",
        ErrorCode.FILE_EXISTS: "There is something else at this path.",
        ErrorCode.FILE_PROTECTED: "The file belongs to the job itself (`run.sh`, Slurm's output) and is never changed.",
        ErrorCode.FILE_TOO_LARGE: "The file is larger than the limit, which `detail` or `message` tells.",
        ErrorCode.PATH_NOT_ALLOWED: "The path leaves the job's folder, or breaks another rule of paths.",
        ErrorCode.INVALID_STATE: "The job is in a state that does not allow this.",
        ErrorCode.IMAGE_NOT_ALLOWED: "The site does not allow this container image; `detail` tells what it allows.",
        ErrorCode.SUBMIT_REFUSED: "Slurm refuses the job as it is; `detail` holds its own words.",
        ErrorCode.LIMIT_EXCEEDED: "A limit was reached, which `message` tells.",
        ErrorCode.CLUSTER_UNAVAILABLE: "The cluster cannot be reached. Nothing was done there; try again later.",
        ErrorCode.CLUSTER_TIMEOUT: "The cluster did not answer in time. It may have been done: look, then try again.",
    },
)

_describe(
    OrderField,
    "JobOrderField",
    "What jobs can be ordered by.",
    {
        OrderField.CREATED_AT: "When they were created.",
        OrderField.ENDED_AT: "When they ended; those that have not ended count as later than all others.",
        OrderField.NAME: "Their name.",
    },
)

_describe(
    Direction,
    "OrderDirection",
    "Which way to order.",
    {
        Direction.ASC: "Smallest or oldest first.",
        Direction.DESC: "Largest or newest first.",
    },
)
