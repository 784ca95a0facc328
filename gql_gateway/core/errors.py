"""Every error a caller may see, in one tree, each with a code.

What a user can act on is a `Problem`: data, raised as `Refused` and shown in a mutation's `userErrors`.
What a user cannot act on is a `Fault`: a top-level GraphQL error or an HTTP status.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum


class ErrorCode(StrEnum):
    """What is wrong, for programs to read. Clients treat a code they do not know like `INVALID_INPUT`."""

    INVALID_INPUT = "INVALID_INPUT"
    NOT_FOUND = "NOT_FOUND"
    USER_NOT_CREATED = "USER_NOT_CREATED"
    NO_ACCOUNT = "NO_ACCOUNT"
    CONFLICT = "CONFLICT"
    FILE_NOT_FOUND = "FILE_NOT_FOUND"
    FILE_EXISTS = "FILE_EXISTS"
    FILE_PROTECTED = "FILE_PROTECTED"
    FILE_TOO_LARGE = "FILE_TOO_LARGE"
    PATH_NOT_ALLOWED = "PATH_NOT_ALLOWED"
    INVALID_STATE = "INVALID_STATE"
    IMAGE_NOT_ALLOWED = "IMAGE_NOT_ALLOWED"
    SUBMIT_REFUSED = "SUBMIT_REFUSED"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    CLUSTER_UNAVAILABLE = "CLUSTER_UNAVAILABLE"
    CLUSTER_TIMEOUT = "CLUSTER_TIMEOUT"


RETRYABLE = frozenset({ErrorCode.CLUSTER_UNAVAILABLE, ErrorCode.CLUSTER_TIMEOUT})


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing a user can put right.

    `field` is the path in the mutation's arguments, e.g. `("input", "resources", "partition")`.
    `detail` holds Slurm's own words, or what is allowed.
    """

    code: ErrorCode
    message: str
    field: tuple[str, ...] | None = None
    detail: str | None = None

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later, unchanged."""
        return self.code in RETRYABLE

    def at(self, *field: str) -> "Problem":
        """The same problem, pointing to the argument at fault."""
        return replace(self, field=field)


class GatewayError(Exception):
    """Root of the tree."""


class Refused(GatewayError):
    """The request cannot be done as it is; `problems` says why, one or several at once."""

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("; ".join(problem.message for problem in self.problems))

    @property
    def code(self) -> ErrorCode:
        """The first problem's code."""
        return self.problems[0].code

    def at(self, *field: str) -> "Refused":
        """The same refusal with every problem that names no argument pointing to this one."""
        return Refused(problem if problem.field else problem.at(*field) for problem in self.problems)


def refuse(code: ErrorCode, message: str, *field: str, detail: str | None = None) -> Refused:
    """Build the refusal of one problem: `raise refuse(ErrorCode.INVALID_STATE, "…")`."""
    return Refused(Problem(code, message, field or None, detail))


def job_not_found() -> Refused:
    """The one wording for a job that is not there and for one that is not yours."""
    return refuse(ErrorCode.NOT_FOUND, "There is no such job.", "input", "jobId")


class Fault(GatewayError):
    """An error that is no data: the request as a whole is answered with it.

    `extensions` puts the code on the wire; GraphQL libraries read that attribute from the original error.
    `status` is the HTTP status where the whole answer is this error.
    """

    code = "INTERNAL"
    status = 500

    def __init__(self, message: str, *, detail: str | None = None) -> None:
        super().__init__(message)
        self.detail = detail

    @property
    def extensions(self) -> Mapping[str, str]:
        """What GraphQL shows beside the message."""
        return {"code": self.code} | ({"detail": self.detail} if self.detail else {})


class Unauthenticated(Fault):
    """No valid token."""

    code = "UNAUTHENTICATED"
    status = 401


class Forbidden(Fault):
    """A valid token without the right."""

    code = "FORBIDDEN"
    status = 403


class BadRequest(Fault):
    """The request itself is malformed."""

    code = "BAD_REQUEST"
    status = 400


class LimitExceeded(Fault):
    """The request asks for more than a limit allows; the message states the limit."""

    code = "LIMIT_EXCEEDED"
    status = 429


class RequestTooLarge(LimitExceeded):
    """The request has more bytes than are read, its files not counted."""

    status = 413


class RateExceeded(LimitExceeded):
    """Too many requests; the same one may be made again after `retry_after` seconds."""

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CursorExpired(BadRequest):
    """The event log no longer reaches back to this cursor."""

    code = "CURSOR_EXPIRED"


class Unavailable(Fault):
    """A part the gateway needs to know who asks does not answer."""

    code = "UNAVAILABLE"
    status = 503


class ClusterUnavailable(Refused):
    """The cluster cannot be reached; nothing was done there."""

    def __init__(self, message: str, detail: str | None = None) -> None:
        super().__init__(Problem(ErrorCode.CLUSTER_UNAVAILABLE, message, detail=detail))


class ClusterTimeout(Refused):
    """The cluster did not answer in time; what was asked may or may not have been done."""

    def __init__(self, message: str, detail: str | None = None) -> None:
        super().__init__(Problem(ErrorCode.CLUSTER_TIMEOUT, message, detail=detail))


class SubmitRefused(Refused):
    """Slurm refuses the job as it is, in its own words (`detail`). Final: the same job will be refused again."""

    def __init__(self, words: str) -> None:
        super().__init__(Problem(ErrorCode.SUBMIT_REFUSED, "Slurm refuses this job.", detail=words))
