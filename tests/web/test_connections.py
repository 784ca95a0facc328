"""Connections that stand still are cut, and those that do not are kept, whatever order bytes and answers come in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send

from gql_gateway.web.connections import Patience, protocols

pytestmark = pytest.mark.anyio
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\n"


async def answers_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that does not wait for a body."""
    await PlainTextResponse("ok")(scope, receive, send)


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a server whose patience is short."""
    http, sockets = protocols(Patience(8192, 0.3, 0.3))
    config = uvicorn.Config(answers_at_once, port=0, http=http, ws=sockets, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has a flag and no event
        await asyncio.sleep(0)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.servers[0].sockets[0].getsockname()[1])
    try:
        yield reader, writer
    finally:
        writer.close()
        server.should_exit = True
        await serving


async def test_a_body_that_ends_behind_its_answer_costs_nobody_the_connection() -> None:
    async with asyncio.timeout(10), connected() as (reader, writer):
        writer.write(POST + b"abc")
        await reader.readuntil(b"ok")
        writer.write(b"def")
        with pytest.raises(TimeoutError):  # as long as a head may take: nothing is said, and it stays open
            async with asyncio.timeout(0.6):
                await reader.read(1)
        writer.write(POST + b"abcdef")
        assert (await reader.readuntil(b"ok")).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"", b""),
        (b"\r\n", b""),
        (b"GET / HT", b"HTTP/1.1 408"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * 9000, b"HTTP/1.1 431"),
    ],
)
async def test_a_head_that_does_not_come_ends_the_connection(sent: bytes, said: bytes) -> None:
    async with asyncio.timeout(10), connected() as (reader, writer):
        writer.write(sent)
        assert (await reader.read())[:12] == said


async def test_a_body_that_stands_still_ends_the_connection() -> None:
    async with asyncio.timeout(10), connected() as (reader, writer):
        writer.write(POST + b"abc")
        await reader.readuntil(b"ok")
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
