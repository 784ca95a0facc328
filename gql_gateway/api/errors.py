"""Errors on the wire: what a user can act on is data in a payload, the rest a top-level error with a code.

What nobody meant to say is masked, and logged with the id that the caller is shown.
"""

import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ParamSpec, Protocol, TypeVar

import strawberry
import structlog
from graphql import GraphQLError, GraphQLSyntaxError
from strawberry.exceptions import MissingQueryError
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError

from gql_gateway.api.enums import ErrorCode
from gql_gateway.core.errors import BadRequest, Fault, LimitExceeded, Problem, Refused

log = structlog.get_logger()

INTERNAL = "Internal error"
_ABOUT_FILES = {
    ErrorCode.FILE_TOO_LARGE: ("input", "file"),
    ErrorCode.FILE_EXISTS: ("input", "path"),
    ErrorCode.FILE_NOT_FOUND: ("input", "path"),
    ErrorCode.FILE_PROTECTED: ("input", "path"),
    ErrorCode.PATH_NOT_ALLOWED: ("input", "path"),
}
_TOO_MUCH = "Parsing aborted."
"""How graphql-core (3.3) ends what it says of a document with too many tokens, or nested too deeply."""
_ABOUT_THE_REQUEST = (MissingQueryError, CannotGetOperationTypeError, InvalidOperationTypeError)


@strawberry.type(
    description="Something that you can put right. Where there is one, the mutation did not do what it was asked. What "
    "you cannot put right is a top-level error instead, with `extensions.code` and `extensions.requestId`."
)
class UserError:
    code: ErrorCode = strawberry.field(description="What is wrong, for programs to read.")
    message: str = strawberry.field(description="What is wrong, for people to read.")
    field: list[str] | None = strawberry.field(
        description='Path of the argument at fault, such as `["input", "resources", "partition"]`. '
        "Null when no single one is."
    )
    retryable: bool = strawberry.field(description="Whether the same request may succeed later, unchanged.")
    detail: str | None = strawberry.field(description="Slurm's own words, or what is allowed.")

    @classmethod
    def of(cls, problem: Problem) -> "UserError":
        """What a refusal says, on the wire."""
        field = problem.field or _ABOUT_FILES.get(problem.code)
        return cls(
            code=problem.code,
            message=problem.message,
            field=list(field) if field else None,
            retryable=problem.retryable,
            detail=problem.detail,
        )


class Payload(Protocol):
    """The result of a mutation: an object, or what stands against it."""

    def __init__(self, *, user_errors: list[UserError]) -> None: ...


P = ParamSpec("P")
R = TypeVar("R", bound=Payload)


def refusals_as(payload: type[R]) -> Callable[[Callable[P, Awaitable[R | None]]], Callable[P, Awaitable[R | None]]]:
    """Decorate a mutation so that what it refuses becomes the `userErrors` of its payload."""

    def decorate(resolver: Callable[P, Awaitable[R | None]]) -> Callable[P, Awaitable[R | None]]:
        @functools.wraps(resolver)
        async def resolve(*args: P.args, **kwargs: P.kwargs) -> R | None:
            try:
                return await resolver(*args, **kwargs)
            except Refused as refused:
                return payload(user_errors=[UserError.of(problem) for problem in refused.problems])

        return resolve

    return decorate


def present(error: GraphQLError, request_id: str) -> GraphQLError:
    """A top-level error as a caller may see it."""
    message, extensions = _words(error)
    return GraphQLError(
        message,
        nodes=error.nodes,
        source=error.source,
        positions=error.positions,
        path=error.path,
        original_error=error.original_error,
        extensions={**extensions, "requestId": request_id},
    )


def fault_of(error: GraphQLError) -> Fault | None:
    """The fault behind a top-level error; None where it is of another kind."""
    return error.original_error if isinstance(error.original_error, Fault) else None


def _words(error: GraphQLError) -> tuple[str, Mapping[str, Any]]:
    cause: BaseException | None = error
    while isinstance(cause, GraphQLError):  # one raised while a field is resolved is wrapped in another
        cause = cause.original_error
    if isinstance(cause, Fault):
        return str(cause), cause.extensions
    if isinstance(cause, Refused):
        problem = cause.problems[0]
        detail = {"detail": problem.detail} if problem.detail else {}
        return problem.message, {"code": problem.code, "retryable": problem.retryable, **detail}
    if cause is None or isinstance(cause, _ABOUT_THE_REQUEST):
        too_much = isinstance(error, GraphQLSyntaxError) and error.message.endswith(_TOO_MUCH)
        code = LimitExceeded.code if too_much else BadRequest.code
        return error.message, {"code": code, **(error.extensions or {})}
    log.error("unexpected error", path=error.path, exc_info=cause)
    return INTERNAL, {"code": Fault.code}
