"""Errors as JSON, for every route that is not GraphQL."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ExceptionHandler

from gql_gateway.core.errors import ErrorCode, Fault, RateExceeded, Refused

log = structlog.get_logger()

STATUS: Mapping[ErrorCode, HTTPStatus] = {
    ErrorCode.INVALID_INPUT: HTTPStatus.BAD_REQUEST,
    ErrorCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.USER_NOT_CREATED: HTTPStatus.NOT_FOUND,
    ErrorCode.NO_ACCOUNT: HTTPStatus.FORBIDDEN,
    ErrorCode.CONFLICT: HTTPStatus.CONFLICT,
    ErrorCode.FILE_NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.FILE_EXISTS: HTTPStatus.CONFLICT,
    ErrorCode.FILE_PROTECTED: HTTPStatus.FORBIDDEN,
    ErrorCode.FILE_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ErrorCode.PATH_NOT_ALLOWED: HTTPStatus.BAD_REQUEST,
    ErrorCode.INVALID_STATE: HTTPStatus.CONFLICT,
    ErrorCode.IMAGE_NOT_ALLOWED: HTTPStatus.FORBIDDEN,
    ErrorCode.SUBMIT_REFUSED: HTTPStatus.UNPROCESSABLE_ENTITY,
    ErrorCode.LIMIT_EXCEEDED: HTTPStatus.INSUFFICIENT_STORAGE,
    ErrorCode.CLUSTER_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.CLUSTER_TIMEOUT: HTTPStatus.GATEWAY_TIMEOUT,
}


def _answer(request: Request, status: int, code: str, message: str, detail: str | None = None) -> JSONResponse:
    error: dict[str, Any] = {"code": code, "message": message, "requestId": request.scope["state"]["request_id"]}
    headers = {"Cache-Control": "no-store"}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["Retry-After"] = "10"
    return JSONResponse({"error": error | ({"detail": detail} if detail else {})}, status, headers)


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101 - Starlette hands over what HANDLERS says
    problem = error.problems[0]
    return _answer(request, STATUS[problem.code], problem.code, problem.message, problem.detail)


def _fault(request: Request, error: Exception) -> Response:
    assert isinstance(error, Fault)  # noqa: S101 - Starlette hands over what HANDLERS says
    answer = _answer(request, error.status, error.code, str(error), error.detail)
    if isinstance(error, RateExceeded):
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - Starlette hands over what HANDLERS says
    answer = _answer(request, error.status_code, HTTPStatus(error.status_code).name, f"{error.detail}.")
    answer.headers.update(error.headers or {})
    return answer


def _unexpected(request: Request, error: Exception) -> Response:
    log.error("unexpected error", exc_info=error)
    return _answer(request, HTTPStatus.INTERNAL_SERVER_ERROR, "INTERNAL", "Something went wrong in the gateway.")


HANDLERS: Mapping[Any, ExceptionHandler] = {
    Refused: _refused,
    Fault: _fault,
    HTTPException: _http,
    Exception: _unexpected,
}
