"""Work for a client that has gone ends."""

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from gql_gateway.web.hangups import while_connected
from tests.web.serving import served

pytestmark = pytest.mark.anyio


def answering(work: Callable[[], Any], seen: dict[str, asyncio.Event]) -> Starlette:
    async def answer(request: Request) -> Response:
        seen["begun"].set()
        try:
            return PlainTextResponse(await while_connected(request, work()))
        except ClientDisconnect:
            seen["left"].set()
            return Response()

    return Starlette(routes=[Route("/", answer)])


def events() -> dict[str, asyncio.Event]:
    return {name: asyncio.Event() for name in ("begun", "left", "cancelled")}


async def test_it_is_cancelled_when_the_client_goes_away() -> None:
    seen = events()

    async def work() -> str:
        try:
            await asyncio.Event().wait()
        finally:
            seen["cancelled"].set()
        return ""

    async with served(answering(work, seen)) as url:
        target = urlsplit(url)
        _, writer = await asyncio.open_connection(target.hostname, target.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(10):
            await seen["begun"].wait()
            writer.close()
            await seen["cancelled"].wait()
            await seen["left"].wait()


async def test_what_comes_in_time_is_answered() -> None:
    async def work() -> str:
        return "in time"

    async with served(answering(work, events())) as url, httpx.AsyncClient() as client:
        assert (await client.get(url)).text == "in time"


async def test_its_errors_are_the_requests() -> None:
    async def work() -> str:
        raise ZeroDivisionError

    async with served(answering(work, events())) as url, httpx.AsyncClient() as client:
        assert (await client.get(url)).status_code == 500
