"""GraphQL over HTTP: which media type an answer has, and which status."""

from collections.abc import Mapping
from functools import lru_cache

from strawberry.http import GraphQLHTTPResponse
from strawberry.types import ExecutionResult
from strawberry.types.execution import PreExecutionError

from gql_gateway.api.errors import fault_of

JSON = "application/json"
RESPONSE = "application/graphql-response+json"
EVENTS = "text/event-stream"
HTML = "text/html"

_OK = 200
_BAD_REQUEST = 400


@lru_cache(64)
def accepted(accept: str) -> Mapping[str, float]:
    """Media types that a client takes, each with how much it likes it; what it refuses (q=0) is left out.

    >>> accepted("application/graphql-response+json, application/json;q=0.9")
    {'application/graphql-response+json': 1.0, 'application/json': 0.9}
    """
    qualities = dict(map(_quality, accept.lower().split(",")))
    return {media_type: quality for media_type, quality in qualities.items() if media_type and quality > 0}


def _quality(entry: str) -> tuple[str, float]:
    media_type, *parameters = (part.strip() for part in entry.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return media_type, float(parameter[2:])
            except ValueError:
                return media_type, 0.0
    return media_type, 1.0


def answer_type(accept: str) -> str:
    """Media type of an answer that is one document. The newer one only for a client that names it."""
    liked = accepted(accept)
    return RESPONSE if liked.get(RESPONSE, 0.0) >= liked.get(JSON, 0.001) else JSON


def wants_only_events(accept: str) -> bool:
    """Whether a client takes events, and no answer that is one document."""
    liked = accepted(accept)
    return EVENTS in liked and not liked.keys() & {RESPONSE, JSON, "application/*", "*/*"}


def status(result: ExecutionResult, *, strict: bool) -> int:
    """HTTP status of a result.

    A caller who may not ask gets the fault's own status. Other requests that were not run get 400 where the client
    knows what that means (`strict`), and 200 where it asked for plain JSON, as the specification has it.
    """
    if not was_refused(result):
        return _OK
    faults = [fault for error in result.errors or () if (fault := fault_of(error))]
    if faults:
        return faults[0].status
    return _BAD_REQUEST if strict else _OK


def was_refused(result: ExecutionResult) -> bool:
    """Whether a request was not run at all: its document or variables are wrong, or the caller may not."""
    if isinstance(result, PreExecutionError):
        return True
    return result.data is None and all(error.path is None for error in result.errors or ())


def body(result: ExecutionResult) -> GraphQLHTTPResponse:
    """What is sent for a result; the data of a request that was not run is absent, not null."""
    errors: list[object] = [error.formatted for error in result.errors or ()]
    if was_refused(result):
        return {"errors": errors}
    return {"data": result.data} | ({"errors": errors} if errors else {})  # type: ignore[return-value]
