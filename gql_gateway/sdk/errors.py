"""What can go wrong, as exceptions: one class for each code that the gateway sends, and few of the client's own."""

from collections.abc import Mapping, Sequence
from typing import Any


class GatewayError(Exception):
    """Root of the tree.

    `code` is for programs, `detail` holds Slurm's own words or what is allowed, `field` the argument at fault,
    `retryable` says whether the same call may succeed later, `request_id` finds the request in the gateway's log.
    """

    code = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        detail: str | None = None,
        field: Sequence[str] | None = None,
        retryable: bool = False,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.detail = detail
        self.field = tuple(field) if field else None
        self.retryable = retryable
        self.request_id = request_id
        self.others: tuple[GatewayError, ...] = ()

    def __str__(self) -> str:
        words = self.message if not self.detail or self.detail in self.message else f"{self.message} {self.detail}"
        return "\n".join((words, *map(str, self.others)))


class InvalidInput(GatewayError):
    """A value is not what it must be."""

    code = "INVALID_INPUT"


class NotFound(GatewayError):
    """It is not there, or it is not yours."""

    code = "NOT_FOUND"


class UserNotCreated(GatewayError):
    """`create_user` was never called."""

    code = "USER_NOT_CREATED"


class NoAccount(GatewayError):
    """You have no account of your own on this cluster, which it asks for."""

    code = "NO_ACCOUNT"


class Conflict(GatewayError):
    """It contradicts what is already there."""

    code = "CONFLICT"


class FileNotFound(NotFound):
    """There is no such file in the job's folder."""

    code = "FILE_NOT_FOUND"


class FileExists(GatewayError):
    """There is already something under that name."""

    code = "FILE_EXISTS"


class FileProtected(GatewayError):
    """run.sh and Slurm's output are never changed."""

    code = "FILE_PROTECTED"


class FileTooLarge(GatewayError):
    """The file is larger than the gateway takes."""

    code = "FILE_TOO_LARGE"


class PathNotAllowed(GatewayError):
    """The path leaves the job's folder, or leads over something that is no file or folder."""

    code = "PATH_NOT_ALLOWED"


class InvalidState(GatewayError):
    """The job is in a state that does not allow this."""

    code = "INVALID_STATE"


class ImageNotAllowed(GatewayError):
    """The site does not allow this container image."""

    code = "IMAGE_NOT_ALLOWED"


class SubmitRefused(GatewayError):
    """Slurm refuses the job; `detail` has its words."""

    code = "SUBMIT_REFUSED"


class LimitExceeded(GatewayError):
    """More than a limit allows; the message states the limit."""

    code = "LIMIT_EXCEEDED"


class ClusterUnavailable(GatewayError):
    """The cluster cannot be reached; nothing was done there."""

    code = "CLUSTER_UNAVAILABLE"


class ClusterTimeout(GatewayError):
    """The cluster did not answer in time; what was asked may or may not have been done."""

    code = "CLUSTER_TIMEOUT"


class Unauthenticated(GatewayError):
    """The token is missing, wrong, expired or revoked; `detail` says what to do."""

    code = "UNAUTHENTICATED"

    def __init__(self, message: str, *, detail: str | None = None, **more: Any) -> None:
        super().__init__(message, detail=detail or "Sign in: `hpc login`, or set GQL_GATEWAY_TOKEN.", **more)


class Forbidden(GatewayError):
    """The token is good and does not allow this."""

    code = "FORBIDDEN"


class BadRequest(GatewayError):
    """The gateway does not understand the request; usually its version is older than the client's."""

    code = "BAD_REQUEST"


class UnknownOperation(BadRequest):
    """The gateway's schema lacks something that was asked for."""

    code = "GRAPHQL_VALIDATION_FAILED"


class CursorExpired(BadRequest):
    """The log of events no longer reaches back to this cursor."""

    code = "CURSOR_EXPIRED"


class Unavailable(GatewayError):
    """The gateway itself cannot answer now."""

    code = "UNAVAILABLE"


class ConfigurationError(GatewayError):
    """The client was not told where the gateway is, or who you are."""

    code = "CONFIGURATION"


class ConnectionLost(GatewayError):
    """The gateway cannot be reached, or stopped answering. Retried before it is raised."""

    code = "CONNECTION_LOST"

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=True)


class TransferFailed(GatewayError):
    """A file did not arrive as it was sent."""

    code = "TRANSFER_FAILED"


class WaitTimeout(GatewayError):
    """The job did not end in the time given. It is still there."""

    code = "WAIT_TIMEOUT"


class JobFailed(GatewayError):
    """A job that `run` was to complete ended otherwise; `job` holds what is known of it."""

    code = "JOB_FAILED"

    def __init__(self, message: str, job: Any) -> None:
        super().__init__(message)
        self.job = job


def _by_code() -> dict[str, type[GatewayError]]:
    own = {ConfigurationError, ConnectionLost, TransferFailed, WaitTimeout, JobFailed}
    known: dict[str, type[GatewayError]] = {}
    waiting = [GatewayError]
    while waiting:
        waiting.extend((kind := waiting.pop()).__subclasses__())
        if kind not in own:
            known[kind.code] = kind
    return known


_BY_CODE = _by_code()


def from_user_errors(errors: Sequence[Mapping[str, Any]]) -> GatewayError:
    """The exception for a payload's `userErrors`: the first one, with the `others` behind it."""
    first, *others = (_from_user_error(error) for error in errors)
    first.others = tuple(others)
    return first


def _from_user_error(error: Mapping[str, Any]) -> GatewayError:
    kind = _BY_CODE.get(error["code"], InvalidInput)  # an unknown code counts as INVALID_INPUT, says the contract
    return kind(error["message"], detail=error["detail"], field=error["field"], retryable=error["retryable"])


def from_http_error(error: Mapping[str, Any]) -> GatewayError:
    """The exception for the `error` in a JSON answer of a route that is not GraphQL."""
    kind = _BY_CODE.get(error["code"], GatewayError)
    return kind(error["message"], detail=error.get("detail"), request_id=error.get("requestId"))


def from_graphql_errors(errors: Sequence[Mapping[str, Any]]) -> GatewayError:
    """The exception for a GraphQL answer's top-level `errors`."""
    error = errors[0]
    extensions = error.get("extensions") or {}
    kind = _BY_CODE.get(extensions.get("code", ""), GatewayError)
    return kind(
        error["message"],
        detail=extensions.get("detail"),
        retryable=kind in {Unavailable, ClusterUnavailable, ClusterTimeout},
        request_id=extensions.get("requestId"),
    )
