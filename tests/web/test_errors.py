"""Errors that nobody foresaw: answered and logged with an id, without what they were about."""

import errno
import io
import json
import logging
import sys
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from gql_gateway.core.errors import ErrorCode
from gql_gateway.web import logs
from gql_gateway.web.errors import HANDLERS, STATUS
from gql_gateway.web.metrics import Metrics
from gql_gateway.web.middleware import Surroundings
from tests.web.serving import served

pytestmark = pytest.mark.anyio


async def fails(request: Request) -> Response:
    token = request.headers["authorization"]
    raise RuntimeError(len(token))


async def breaks_off(_request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        yield b"begin"
        raise RuntimeError

    return StreamingResponse(parts(), headers={"Content-Length": "10"})


@pytest.fixture
def app() -> Surroundings:
    routes = [Route("/fails", fails), Route("/breaks-off", breaks_off)]
    return Surroundings(Starlette(routes=routes, exception_handlers=HANDLERS), Metrics())


@pytest.fixture
def log(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    root = logging.getLogger()
    before = root.handlers, root.level
    logs.configure("info", "json")
    yield capsys
    root.handlers, root.level = before


async def test_it_is_masked_and_logged(app: Surroundings, log: pytest.CaptureFixture[str]) -> None:
    async with served(app) as url, httpx.AsyncClient() as client:
        answer = await client.get(f"{url}/fails", headers={"Authorization": "Bearer gqlgw_hidden"})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (500, "INTERNAL")
    assert error["requestId"] == answer.headers["x-request-id"]
    lines = [json.loads(line) for line in log.readouterr().err.splitlines() if line.startswith("{")]
    (line,) = [line for line in lines if line["event"] == "unexpected error"]
    assert (line["request_id"], line["exception"][0]["exc_type"]) == (error["requestId"], "RuntimeError")
    assert line["exception"][0]["frames"][-1]["name"] == "fails"
    assert "gqlgw_hidden" not in json.dumps(lines)


class Full(io.StringIO):
    """A disk without room, as standard error."""

    def write(self, _: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


async def test_a_log_that_cannot_be_written_is_no_error(
    app: Surroundings, log: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(app) as url, httpx.AsyncClient() as client:
        monkeypatch.setattr(sys, "stderr", Full())
        assert (await client.get(f"{url}/nothing")).status_code == 404
    assert "request" not in log.readouterr().err


async def test_an_answer_that_breaks_off_does_not_look_whole(
    app: Surroundings, log: pytest.CaptureFixture[str]
) -> None:
    async with served(app) as url, httpx.AsyncClient() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(f"{url}/breaks-off")
    assert "unexpected error" in log.readouterr().err


def test_every_code_has_a_status() -> None:
    assert set(STATUS) == set(ErrorCode)
