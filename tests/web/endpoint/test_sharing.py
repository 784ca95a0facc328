"""Many who follow the same, over WebSocket and server-sent events: one execution, and what one alone would get."""

import asyncio
import gc
import json
import socket as sockets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
from sqlalchemy import event
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from gql_gateway.core.identity import Role
from gql_gateway.core.states import JobState
from gql_gateway.store.tables import Job
from tests.store.rows import a_job, move
from tests.web.endpoint.running import ADA, SPEC, Running
from tests.web.endpoint.test_events import stream
from tests.web.endpoint.test_sockets import Socket, opened

DOCUMENT = """
subscription($id: ID, $after: String, $owner: Boolean = true) {
  jobStateChanged(jobId: $id, after: $after) { cursor was: previousState ...State job { name ...Owner } }
}
fragment State on JobEvent { state reason at source actor }
fragment Owner on Job { owner @include(if: $owner) { email tokens { id } } }
"""
ALONE = f"{DOCUMENT}\n# asked by nobody else"
RUN = (JobState.LAUNCHING, JobState.QUEUED, JobState.RUNNING, JobState.SUSPENDED, JobState.RUNNING)


class Listener:
    """A subscription over WebSocket, or over server-sent events where there is a client for them."""

    def __init__(self, gateway: Running, stack: AsyncExitStack, token: str = "") -> None:
        self._gateway = gateway
        self._stack = stack
        self._token = token
        self._socket: Socket | None = None
        self._events: AsyncIterator[tuple[str, Any]] | None = None

    async def by_socket(self, query: str, **variables: object) -> "Listener":
        self._socket = await self._stack.enter_async_context(opened(self._gateway, self._token))
        await self._socket.subscribe("s", query, **variables)
        return self

    async def by_stream(self, query: str, **variables: object) -> "Listener":
        headers = {"Authorization": f"Bearer {self._token or self._gateway.token}"}
        client = await self._stack.enter_async_context(httpx.AsyncClient(headers=headers))
        self._events = await self._stack.enter_async_context(stream(client, self._gateway, query, **variables))
        return self

    async def next(self) -> Any:
        """What the next event says."""
        async with asyncio.timeout(10):
            if self._socket:
                return (await self._socket.hear())["payload"]
            assert self._events
            return (await anext(self._events))[1]

    async def states(self, number: int) -> list[str]:
        return [(await self.next())["data"]["jobStateChanged"]["state"] for _ in range(number)]


@asynccontextmanager
async def reads_of_jobs(gateway: Running) -> AsyncIterator[list[str]]:
    """The statements that read whole jobs, which `JobEvent.job` does."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "jobs.script" in statement:
            seen.append(statement)

    engine = gateway.database._reader.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def test_whoever_asks_alike_costs_one_execution_and_gets_what_one_alone_gets(gateway: Running, job: Job) -> None:
    ids = {"id": f"job_{job.id}"}
    async with AsyncExitStack() as stack:
        crowd = [await Listener(gateway, stack).by_socket(DOCUMENT, **ids) for _ in range(6)]
        crowd += [await Listener(gateway, stack).by_stream(DOCUMENT, **ids) for _ in range(6)]
        alone = [await Listener(gateway, stack).by_socket(ALONE, **ids)]
        alone += [await Listener(gateway, stack).by_socket(DOCUMENT, **ids, owner=False)]
        for listener in (*crowd, *alone):
            assert (await listener.next())["data"]["jobStateChanged"]["state"] == "CREATED"
        async with reads_of_jobs(gateway) as reads:
            for number, state in enumerate(RUN, start=1):
                await move(gateway.database, job, state)
                got = [await listener.next() for listener in crowd]
                lone, without = [await listener.next() for listener in alone]
                assert json.dumps(lone) == json.dumps(got[0]), "to the order of its fields"
                assert got == 12 * [lone]
                assert got[0]["data"]["jobStateChanged"]["job"]["owner"]["email"] == ADA
                assert without["data"]["jobStateChanged"]["job"] == {"name": job.name}
                assert len(reads) == 3 * number


async def test_each_gets_what_they_may_see(gateway: Running, job: Job) -> None:
    _, root = await gateway.tokens.create("root@example.org", "Root", Role.ADMIN, None)
    _, second = await gateway.tokens.create(ADA, "Ada", Role.USER, None)
    async with AsyncExitStack() as stack:
        listeners = [
            await Listener(gateway, stack, token).by_socket(DOCUMENT, id=f"job_{job.id}")
            for token in (gateway.token, gateway.token, second, root, root)
        ]
        for listener in listeners:
            await listener.next()
        await move(gateway.database, job, JobState.LAUNCHING)
        told = [(await listener.next())["data"]["jobStateChanged"]["job"]["owner"] for listener in listeners]
    assert all(owner["email"] == ADA for owner in told)
    assert [len(owner["tokens"]) > 1 for owner in told] == [True, True, True, False, False]


async def test_who_comes_in_the_middle_or_again_gets_each_event_once_and_in_order(gateway: Running, job: Job) -> None:
    ids = {"id": f"job_{job.id}"}
    async with AsyncExitStack() as stack:
        first = await Listener(gateway, stack).by_socket(DOCUMENT, **ids)
        cursor = (await first.next())["data"]["jobStateChanged"]["cursor"]
        await move(gateway.database, job, *RUN[:2])
        late = await Listener(gateway, stack).by_stream(DOCUMENT, **ids)
        again = await Listener(gateway, stack).by_socket(DOCUMENT, **ids, after=cursor)
        async with AsyncExitStack() as short:
            leaving = await Listener(gateway, short).by_socket(DOCUMENT, **ids, after=cursor)
            seen = await leaving.next()
        assert await late.states(1) == ["QUEUED"]
        back = await Listener(gateway, stack).by_stream(
            DOCUMENT, **ids, after=seen["data"]["jobStateChanged"]["cursor"]
        )
        await move(gateway.database, job, *RUN[2:], JobState.COMPLETED)
        rest = ["RUNNING", "SUSPENDED", "RUNNING", "COMPLETED"]
        assert await first.states(6) == ["LAUNCHING", "QUEUED", *rest]
        assert await again.states(6) == ["LAUNCHING", "QUEUED", *rest]
        assert await back.states(5) == ["QUEUED", *rest]
        assert await late.states(4) == rest


async def test_when_one_leaves_or_loses_their_token_the_others_go_on(gateway: Running, job: Job) -> None:
    row, token = await gateway.tokens.create(ADA, "Ada", Role.USER, None)
    ids = {"id": f"job_{job.id}"}
    async with AsyncExitStack() as stack, AsyncExitStack() as short:
        staying = [await Listener(gateway, stack).by_socket(DOCUMENT, **ids) for _ in range(2)]
        staying += [await Listener(gateway, stack).by_stream(DOCUMENT, **ids)]
        leaving = await Listener(gateway, short).by_socket(DOCUMENT, **ids)
        losing = await stack.enter_async_context(opened(gateway, token))
        await losing.subscribe("s", DOCUMENT, **ids)
        for listener in (*staying, leaving):
            await listener.next()
        await gateway.tokens.revoke(row.id)
        assert (await losing.closed())[0] == 4403
        await short.aclose()
        await move(gateway.database, job, *RUN[:3])
        for listener in staying:
            assert await listener.states(3) == ["LAUNCHING", "QUEUED", "RUNNING"]


async def test_errors_have_the_id_of_each_ones_own_request(gateway: Running, job: Job) -> None:
    query = "subscription($id: ID) { jobStateChanged(jobId: $id) { state job { scriptIntact } } }"
    async with AsyncExitStack() as stack:
        listeners = [await Listener(gateway, stack).by_socket(query, id=f"job_{job.id}") for _ in range(3)]
        snapshots = [await listener.next() for listener in listeners]
        await move(gateway.database, job, JobState.LAUNCHING)
        answers = [await listener.next() for listener in listeners]
    assert [answer["data"]["jobStateChanged"] for answer in answers] == 3 * [
        {"state": "LAUNCHING", "job": {"scriptIntact": None}}
    ]
    requests = [[one["errors"][0]["extensions"]["requestId"] for one in got] for got in (snapshots, answers)]
    assert requests[0] == requests[1]
    assert len(set(requests[1])) == 3
    assert all(len(answer["errors"]) == 1 for answer in answers)


async def test_a_slow_reader_costs_itself_and_goes_on_where_it_was(gateway: Running) -> None:
    job = await a_job(gateway.database, gateway.ada, spec=SPEC, script="x" * 250_000)
    query = "subscription($id: ID) { jobStateChanged(jobId: $id) { cursor job { script } } }"
    with sockets.socket() as small:
        small.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
        small.connect(("127.0.0.1", int(gateway.url.rpartition(":")[2])))
        small.setblocking(False)
        async with AsyncExitStack() as stack:
            slow = await stack.enter_async_context(opened(gateway, sock=small, max_queue=1, max_size=None))
            await slow.subscribe("s", query, id=f"job_{job.id}")
            fast = [await Listener(gateway, stack).by_socket(query, id=f"job_{job.id}") for _ in range(3)]
            seen = [[await cursor(listener)] for listener in fast]
            await move(gateway.database, job, *RUN[:3])
            for state in 20 * (JobState.SUSPENDED, JobState.RUNNING):
                await move(gateway.database, job, state)
            for listener, cursors in zip(fast, seen, strict=True):
                cursors += [await cursor(listener) for _ in range(43)]
            assert waiting() < 2**20, "and not the 11 MB that it has not read"
            late = [(await slow.hear())["payload"]["data"]["jobStateChanged"]["cursor"] for _ in range(44)]
    assert seen == 3 * [late]
    assert sorted(late, key=int) == late
    assert len(set(late)) == 44


async def cursor(listener: Listener) -> str:
    return str((await listener.next())["data"]["jobStateChanged"]["cursor"])


def waiting() -> int:
    """Bytes that wait in this process for those who do not read."""
    open_ones = [one for one in gc.get_objects() if issubclass(type(one), WebSocketsSansIOProtocol) and one.transport]
    assert len(open_ones) >= 4
    return sum(one.transport.get_write_buffer_size() for one in open_ones)
