"""What GraphQL requests over HTTP are answered with: one document, an error, or the token of a stream."""

from http import HTTPStatus

import orjson
from graphql import GraphQLError
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from gql_gateway.api.errors import present
from gql_gateway.core.errors import Fault, RateExceeded
from gql_gateway.web import negotiation

METHODS = "GET, POST, PUT, DELETE"


def document(data: object, status: int, media_type: str) -> Response:
    """An answer that is one document."""
    headers = {"Cache-Control": "no-store"}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(orjson.dumps(data), status, headers, f"{media_type}; charset=utf-8")


def error_of(request: Request, fault: Fault, status: int) -> Response:
    """The answer to a request that is not run."""
    error = present(GraphQLError(str(fault), original_error=fault), request_id_of(request))
    accept = request.headers.get("accept", "")
    response = document({"errors": [error.formatted]}, status, negotiation.answer_type(accept))
    if status == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = METHODS
    if isinstance(fault, RateExceeded):
        response.headers["Retry-After"] = str(fault.retry_after)
    return response


def reserved(token: str) -> Response:
    """The answer to who reserves a stream."""
    return Response(token, HTTPStatus.CREATED, {"Cache-Control": "no-store"}, "text/plain; charset=utf-8")


def request_id_of(connection: HTTPConnection) -> str:
    """The id that the surroundings gave to this request."""
    return str(connection.scope["state"]["request_id"])
