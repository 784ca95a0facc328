"""GraphQL requests as they come over HTTP: one operation from a body or a query string, and every shape checked."""

from collections.abc import AsyncGenerator, Callable
from typing import Any

from cross_web import HTTPException, StarletteRequestAdapter
from starlette.requests import ClientDisconnect, Request
from strawberry.http import GraphQLRequestData

from gql_gateway.core.errors import BadRequest, RequestTooLarge
from gql_gateway.web.multipart import MultipartReader
from gql_gateway.web.uploads import read_operations

_MULTIPART = "multipart/form-data"
PREFLIGHTED = ("authorization", "graphql-require-preflight", "apollo-require-preflight", "x-requested-with")
"""Headers that a page of another site can send only after the browser asked us whether it may."""


class PostedRequest(StarletteRequestAdapter):
    """A request whose body can be read as it arrives."""

    def __init__(self, request: Request) -> None:
        super().__init__(request)
        self._stream = request.stream()

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body, once, as it arrives.

        Raises:
            BadRequest: the client went away before its end.
        """
        try:
            async for chunk in self._stream:
                if chunk:
                    yield chunk
        except ClientDisconnect:
            raise BadRequest("The request broke off.") from None


def media_type(content_type: str) -> str:
    """A content type without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def is_multipart(request: Request) -> bool:
    """Whether a request carries files."""
    return media_type(request.headers.get("content-type", "")) == _MULTIPART


async def read_body(request: PostedRequest, limit: int, decode: Callable[[bytes], Any]) -> Any:
    """What a POST says, with files that are still on their way where there are some; at most `limit` bytes of the rest.

    Raises:
        BadRequest, RequestTooLarge, HTTPException: it cannot be read.
    """
    content_type = request.headers.get("content-type", "")
    match media_type(content_type):
        case "application/json":
            return decode(await _whole(request, limit))
        case "multipart/form-data":
            _check_preflighted(request)
            return await read_operations(MultipartReader(content_type, request.chunks()), limit, decode)
    raise HTTPException(415, "The content type must be `application/json`, or `multipart/form-data` for uploads.")


async def _whole(request: PostedRequest, limit: int) -> bytes:
    content = bytearray()
    async for chunk in request.chunks():
        content += chunk
        if len(content) > limit:
            raise RequestTooLarge(f"A request has at most {limit} bytes, not counting files of a multipart request.")
    return bytes(content)


def _check_preflighted(request: PostedRequest) -> None:
    """Refuse what a page of another site could send with a plain form."""
    if not any(name in request.headers for name in PREFLIGHTED):
        raise BadRequest(f"A multipart request needs one of the headers {', '.join(PREFLIGHTED)}.")


def operation_of(data: Any) -> GraphQLRequestData:
    """The one operation that a request asks for.

    Raises:
        BadRequest: a value of another type than GraphQL over HTTP has there.
    """
    if not isinstance(data, dict):
        raise BadRequest("A request is one JSON object with a `query`; batches are not taken.")
    if not isinstance(data.get("query"), str) or not data["query"]:
        raise BadRequest("The request has no `query`: a text with a GraphQL document.")
    if not isinstance(data.get("operationName"), str | None):
        raise BadRequest("`operationName` must be a text.")
    for name in ("variables", "extensions"):
        if not isinstance(data.get(name), dict | None):
            raise BadRequest(f"`{name}` must be an object.")
    return GraphQLRequestData(
        query=data["query"],
        variables=data.get("variables"),
        operation_name=data.get("operationName"),
        extensions=data.get("extensions"),
    )
