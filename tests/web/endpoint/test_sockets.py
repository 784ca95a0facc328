"""The endpoint over WebSocket: graphql-transport-ws, whatever a client sends."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from gql_gateway.core.identity import Role
from gql_gateway.core.states import JobState
from gql_gateway.store.tables import Job
from gql_gateway.web.sockets import malformed
from tests.store.rows import move
from tests.web.endpoint.running import ADA, Running

TRANSPORT = Subprotocol("graphql-transport-ws")
HEARTBEAT = {"query": "{ heartbeat { ok } }"}
CHANGES = "subscription($id: ID) { jobStateChanged(jobId: $id) { cursor state job { state } } }"


class Socket:
    """A client that says what it is told to."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def say(self, message: Any) -> None:
        await self.connection.send(message if isinstance(message, str | bytes) else json.dumps(message))

    async def hear(self) -> Any:
        async with asyncio.timeout(10):
            return json.loads(await self.connection.recv())

    async def subscribe(self, key: str, query: str, **variables: object) -> None:
        await self.say({"type": "subscribe", "id": key, "payload": {"query": query, "variables": variables}})

    async def closed(self) -> tuple[int, str]:
        """How it was closed, whatever came before."""
        async with asyncio.timeout(10):
            try:
                while True:
                    await self.connection.recv()
            except ConnectionClosed as closed:
                assert closed.rcvd is not None, "broken off without a close frame"
                return closed.rcvd.code, closed.rcvd.reason


@asynccontextmanager
async def opened(gateway: Running, token: str | None = "", **options: Any) -> AsyncIterator[Socket]:
    """A connection; with a token (empty: Ada's) one that was let in."""
    async with connect(gateway.socket, subprotocols=[TRANSPORT], **options) as connection:
        socket = Socket(connection)
        if token is not None:
            await socket.say(init(token or gateway.token))
            assert await socket.hear() == {"type": "connection_ack"}
        yield socket


def init(token: str) -> dict[str, Any]:
    return {"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}}


async def test_operations_of_every_kind(gateway: Running) -> None:
    async with opened(gateway) as socket:
        await socket.subscribe("q", "{ me { email } }")
        assert await socket.hear() == {"type": "next", "id": "q", "payload": {"data": {"me": {"email": ADA}}}}
        assert await socket.hear() == {"type": "complete", "id": "q"}
        await socket.subscribe("m", "mutation { createUser { userErrors { code } } }")
        assert (await socket.hear())["payload"]["data"]["createUser"]["userErrors"][0]["code"] == "CLUSTER_UNAVAILABLE"
        assert await socket.hear() == {"type": "complete", "id": "m"}
        await socket.say({"type": "ping"})
        assert await socket.hear() == {"type": "pong"}


async def test_a_subscription_begins_with_how_things_stand_and_ends_with_the_job(gateway: Running, job: Job) -> None:
    async with opened(gateway) as socket:
        await socket.subscribe("s", CHANGES, id=f"job_{job.id}")
        seen = [(await socket.hear())["payload"]["data"]["jobStateChanged"]]
        await move(gateway.database, job, JobState.LAUNCHING)
        seen.append((await socket.hear())["payload"]["data"]["jobStateChanged"])
        await move(gateway.database, job, JobState.FAILED)
        seen.append((await socket.hear())["payload"]["data"]["jobStateChanged"])
        assert await socket.hear() == {"type": "complete", "id": "s"}
    assert [event["state"] for event in seen] == ["CREATED", "LAUNCHING", "FAILED"]
    assert [event["job"] for event in seen] == [{"state": event["state"]} for event in seen], "as it is, not as it was"
    assert sorted(seen, key=lambda event: int(event["cursor"])) == seen


async def test_an_operation_that_is_ended_can_begin_again_under_its_id(gateway: Running, job: Job) -> None:
    async with opened(gateway) as socket:
        for _ in range(3):
            await socket.subscribe("s", CHANGES, id=f"job_{job.id}")
            assert (await socket.hear())["type"] == "next"
            await socket.say({"type": "complete", "id": "s"})
        await socket.say({"type": "complete", "id": "never begun"})
        await socket.say({"type": "ping"})
        assert await socket.hear() == {"type": "pong"}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ me {", "BAD_REQUEST"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("", "BAD_REQUEST"),
        ("query($id: ID!) { job(id: $id) { id } }", "BAD_REQUEST"),
        ("query A { me { id } } query B { me { id } }", "BAD_REQUEST"),
        ('subscription { jobStateChanged(jobId: "job_0") { cursor } }', "NOT_FOUND"),
        ('subscription { jobStateChanged(after: "x") { cursor } }', "BAD_REQUEST"),
        ('subscription { jobOutput(jobId: "x") { text } }', "NOT_FOUND"),
    ],
)
async def test_what_is_wrong_with_an_operation_ends_it_and_not_the_socket(
    gateway: Running, query: str, code: str
) -> None:
    async with opened(gateway) as socket:
        await socket.subscribe("wrong", query)
        message = await socket.hear()
        errors = message["payload"] if message["type"] == "error" else message["payload"]["errors"]
        assert errors[0]["extensions"]["code"] == code
        assert errors[0]["extensions"]["requestId"]
        await socket.subscribe("right", HEARTBEAT["query"])
        answers = [await socket.hear() for _ in range(2 if message["type"] == "error" else 3)]
        assert {"type": "next", "id": "right", "payload": {"data": {"heartbeat": {"ok": True}}}} in answers


BROKEN: list[Any] = [
    "",
    "{",
    "null",
    "[]",
    "[1]",
    "5",
    '"x"',
    "NaN",
    {},
    {"type": None},
    {"type": 5},
    {"type": "hello"},
    {"type": "subscribe"},
    {"type": "subscribe", "id": "1"},
    {"type": "subscribe", "id": "", "payload": HEARTBEAT},
    {"type": "subscribe", "id": 1, "payload": HEARTBEAT},
    {"type": "subscribe", "id": "1", "payload": []},
    {"type": "subscribe", "id": "1", "payload": {}},
    {"type": "subscribe", "id": "1", "payload": {"query": 5}},
    {"type": "subscribe", "id": "1", "payload": {"query": ["{ me { id } }"]}},
    {"type": "subscribe", "id": "1", "payload": HEARTBEAT | {"variables": []}},
    {"type": "subscribe", "id": "1", "payload": HEARTBEAT | {"variables": "x"}},
    {"type": "subscribe", "id": "1", "payload": HEARTBEAT | {"operationName": 5}},
    {"type": "subscribe", "id": "1", "payload": HEARTBEAT | {"extensions": []}},
    {"type": "complete"},
    {"type": "complete", "id": None},
    {"type": "ping", "payload": []},
    {"type": "pong", "payload": "x"},
    {"type": "x" * 500},
    "[" * 5000,
    b"\x00\x01",
]


@pytest.mark.parametrize("message", BROKEN, ids=map(str, range(len(BROKEN))))
async def test_a_malformed_message_closes_with_words(gateway: Running, message: Any) -> None:
    async with opened(gateway) as socket:
        await socket.say(message)
        code, reason = await socket.closed()
    assert code == 4400
    assert reason


def test_well_formed_messages() -> None:
    assert malformed({"type": "subscribe", "id": "1", "payload": {**HEARTBEAT, "variables": None}}) is None
    assert malformed({"type": "connection_init"}) is None
    assert malformed({"type": "ping", "payload": {"x": 1}}) is None


async def test_the_same_id_twice_closes(gateway: Running) -> None:
    async with opened(gateway) as socket:
        await socket.subscribe("é" * 100, CHANGES)
        await socket.subscribe("é" * 100, CHANGES)
        code, reason = await socket.closed()
    assert code == 4409
    assert reason.startswith("Subscriber for é")


async def test_who_does_not_say_hello_in_time_is_closed(gateway: Running) -> None:
    async with opened(gateway, None) as socket:
        assert (await socket.closed())[0] == 4408


async def test_who_asks_before_saying_hello_is_closed(gateway: Running) -> None:
    async with opened(gateway, None) as socket:
        await socket.subscribe("1", HEARTBEAT["query"])
        assert (await socket.closed())[0] == 4401


@pytest.mark.parametrize(
    "message",
    [
        {"type": "connection_init"},
        {"type": "connection_init", "payload": None},
        {"type": "connection_init", "payload": {"Authorization": 5}},
        {"type": "connection_init", "payload": {"Authorization": "Basic x"}},
        init("wrong"),
    ],
)
async def test_without_a_valid_token_the_socket_is_closed(gateway: Running, message: Any) -> None:
    async with opened(gateway, None) as socket:
        await socket.say(message)
        assert (await socket.closed())[0] == 4403


async def test_two_hellos_close(gateway: Running) -> None:
    async with opened(gateway) as socket:
        await socket.say(init(gateway.token))
        assert (await socket.closed())[0] == 4429


async def test_a_socket_closes_when_its_token_expires(gateway: Running, job: Job) -> None:
    _, token = await gateway.tokens.create(ADA, "Ada", Role.USER, timedelta(seconds=1))
    async with opened(gateway, token) as socket:
        await socket.subscribe("s", CHANGES, id=f"job_{job.id}")
        assert (await socket.hear())["type"] == "next"
        assert await socket.closed() == (4403, "The token has expired.")


async def test_too_many_operations_are_told_the_limit(gateway: Running, job: Job) -> None:
    async with opened(gateway) as socket:
        for number in range(6):
            await socket.subscribe(str(number), CHANGES, id=f"job_{job.id}")
        messages = [await socket.hear() for _ in range(6)]
    (error,) = [message for message in messages if message["type"] == "error"]
    assert error["id"] == "5"
    assert error["payload"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"
    assert "5 operations" in error["payload"][0]["message"]


@pytest.mark.parametrize("protocols", [["graphql-ws"], ["chat"], None])
async def test_only_graphql_transport_ws_is_spoken(gateway: Running, protocols: Any) -> None:
    async with connect(gateway.socket, subprotocols=protocols) as connection:
        assert (await Socket(connection).closed())[0] == 4406


async def test_pages_of_other_sites_are_not_let_in(gateway: Running) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with opened(gateway, origin="https://evil.example"):
            pass
    assert refused.value.response.status_code == 403
    async with opened(gateway, origin=gateway.url):
        pass
