"""What the audit log tells apart: the acts of people that it keeps."""

from enum import StrEnum


class AuditAction(StrEnum):
    """An act, named like the mutation that does it."""

    CREATE_JOB = "CREATE_JOB"
    CLONE_JOB = "CLONE_JOB"
    LAUNCH = "LAUNCH"
    CANCEL = "CANCEL"
    DELETE_JOB = "DELETE_JOB"
    UPLOAD = "UPLOAD"
    DELETE_FILE = "DELETE_FILE"
    DOWNLOAD = "DOWNLOAD"
    READ_OUTPUT = "READ_OUTPUT"
    CREATE_TOKEN = "CREATE_TOKEN"  # noqa: S105 - a word, no secret
    REVOKE_TOKEN = "REVOKE_TOKEN"  # noqa: S105 - a word, no secret
