"""graphql-sse's single connection: reserved, opened once, and used by whom it belongs to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from gql_gateway.core.identity import Role
from gql_gateway.core.states import JobState
from gql_gateway.store.tables import Job
from gql_gateway.web.endpoint import EndpointOptions
from gql_gateway.web.single import TOKEN_HEADER, SingleOptions
from tests.store.rows import move
from tests.web.endpoint.reading import events
from tests.web.endpoint.running import ADA, Running, running

EVENTS = {"Accept": "text/event-stream"}
CHANGES = "subscription($id: ID) { jobStateChanged(jobId: $id) { state } }"
OPTIONS = EndpointOptions(single=SingleOptions(seconds=2.0, streams=3, operations=2))


@pytest.fixture(scope="module")
async def running_gateway(store: Path) -> AsyncIterator[Running]:
    async with running(store, OPTIONS) as one:
        yield one


async def reserve(client: httpx.AsyncClient, gateway: Running) -> str:
    answer = await client.put(gateway.endpoint)
    assert (answer.status_code, answer.headers["content-type"]) == (201, "text/plain; charset=utf-8")
    return answer.text


async def run(
    client: httpx.AsyncClient, gateway: Running, token: str, query: str, operation_id: object = "1", **variables: object
) -> httpx.Response:
    body = {"query": query, "variables": variables, "extensions": {"operationId": operation_id}}
    return await client.post(gateway.endpoint, json=body, headers={TOKEN_HEADER: token})


@asynccontextmanager
async def opened(
    client: httpx.AsyncClient, gateway: Running, token: str
) -> AsyncIterator[AsyncIterator[tuple[str, Any]]]:
    async with (
        asyncio.timeout(20),
        client.stream("GET", gateway.endpoint, headers={TOKEN_HEADER: token} | EVENTS) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield events(answer)


async def test_one_stream_carries_all_results(client: httpx.AsyncClient, gateway: Running, job: Job) -> None:
    token = await reserve(client, gateway)
    async with opened(client, gateway, token) as coming:
        for operation_id, query in (("a", "{ me { email } }"), ("b", CHANGES)):
            answer = await run(client, gateway, token, query, operation_id, id=f"job_{job.id}")
            assert (answer.status_code, answer.content) == (202, b"")
        told = [await anext(coming) for _ in range(3)]
        assert ("next", {"id": "a", "payload": {"data": {"me": {"email": ADA}}}}) in told
        assert ("complete", {"id": "a"}) in told
        assert ("next", {"id": "b", "payload": {"data": {"jobStateChanged": {"state": "CREATED"}}}}) in told
        await move(gateway.database, job, JobState.LAUNCHING)
        assert (await anext(coming))[1]["payload"]["data"]["jobStateChanged"]["state"] == "LAUNCHING"
        for _ in range(2):  # the second finds none, which is what it wants
            ended = await client.delete(f"{gateway.endpoint}?operationId=b", headers={TOKEN_HEADER: token})
            assert ended.status_code == 200
        await move(gateway.database, job, JobState.QUEUED)
        assert (await run(client, gateway, token, "{ __typename }", "b")).status_code == 202, "its id is free again"
        assert (await anext(coming))[1] == {"id": "b", "payload": {"data": {"__typename": "Query"}}}


async def test_an_operation_may_come_before_the_stream_is_open(client: httpx.AsyncClient, gateway: Running) -> None:
    token = await reserve(client, gateway)
    assert (await run(client, gateway, token, "{ me { email } }")).status_code == 202
    async with opened(client, gateway, token) as coming:
        assert (await anext(coming))[1]["payload"]["data"] == {"me": {"email": ADA}}


async def test_event_source_opens_it_by_its_address_alone(client: httpx.AsyncClient, gateway: Running) -> None:
    token = await reserve(client, gateway)
    async with (
        asyncio.timeout(20),
        httpx.AsyncClient() as browser,
        browser.stream("GET", f"{gateway.endpoint}?token={token}", headers=EVENTS) as answer,
    ):
        assert answer.status_code == 200
        assert (await run(client, gateway, token, "{ me { email } }")).status_code == 202
        assert (await anext(events(answer)))[1]["payload"]["data"] == {"me": {"email": ADA}}


def words(answer: httpx.Response) -> str:
    (error,) = answer.json()["errors"]
    return str(error["message"])


async def test_what_is_wrong_is_told(client: httpx.AsyncClient, gateway: Running, job: Job) -> None:
    token = await reserve(client, gateway)
    async with opened(client, gateway, token):
        again = await client.get(gateway.endpoint, headers={TOKEN_HEADER: token} | EVENTS)
        assert (again.status_code, "is open" in words(again)) == (409, True)
        for wrong in (None, "", 7, ["a"], "x" * 256):
            answer = await run(client, gateway, token, "{ __typename }", wrong)
            assert (answer.status_code, "operationId" in words(answer)) == (400, True)
        answer = await client.post(gateway.endpoint, json={"query": "{ __typename }"}, headers={TOKEN_HEADER: token})
        assert (answer.status_code, "operationId" in words(answer)) == (400, True)
        answer = await client.delete(gateway.endpoint, headers={TOKEN_HEADER: token})
        assert (answer.status_code, "operationId" in words(answer)) == (400, True)
        for query in ("{ me {", "{ nothing }", "query A { __typename } query B { __typename }"):
            answer = await run(client, gateway, token, query)
            assert (answer.status_code, answer.json().keys()) == (400, {"errors"})
        assert (await run(client, gateway, token, CHANGES, "a", id=f"job_{job.id}")).status_code == 202
        answer = await run(client, gateway, token, "{ __typename }", "a")
        assert (answer.status_code, "runs on this stream" in words(answer)) == (409, True)
        assert (await run(client, gateway, token, CHANGES, "b", id=f"job_{job.id}")).status_code == 202
        answer = await run(client, gateway, token, "{ __typename }", "c")
        assert (answer.status_code, answer.json()["errors"][0]["extensions"]["code"]) == (429, "LIMIT_EXCEEDED")
        answer = await client.patch(gateway.endpoint, headers={TOKEN_HEADER: token})
        assert answer.status_code == 405
        files = {"operations": (None, b"{}"), "map": (None, b"{}")}
        answer = await client.post(gateway.endpoint, files=files, headers={TOKEN_HEADER: token})
        assert (answer.status_code, "by itself" in words(answer)) == (415, True)


async def test_a_stream_that_is_not_here_is_a_404(client: httpx.AsyncClient, gateway: Running) -> None:
    for method, headers in (("GET", EVENTS), ("POST", {}), ("DELETE", {})):
        address = f"{gateway.endpoint}?operationId=1"
        answer = await client.request(method, address, headers={TOKEN_HEADER: "nothing"} | headers)
        assert (answer.status_code, "another process" in words(answer)) == (404, True)


async def test_it_is_only_its_user_s(client: httpx.AsyncClient, gateway: Running) -> None:
    token = await reserve(client, gateway)
    async with opened(client, gateway, token):
        _, secret = await gateway.tokens.create("bob@example.org", "Bob", Role.USER, None)
        async with httpx.AsyncClient(headers={"Authorization": f"Bearer {secret}"}) as other:
            for method, headers in (("GET", EVENTS), ("POST", {}), ("DELETE", {})):
                address = f"{gateway.endpoint}?operationId=1"
                answer = await other.request(method, address, headers={TOKEN_HEADER: token} | headers)
                assert answer.status_code == 404
        async with httpx.AsyncClient() as nobody:
            assert (await nobody.put(gateway.endpoint)).status_code == 401
            assert (await run(nobody, gateway, token, "{ __typename }")).status_code == 401
            ending = await nobody.delete(f"{gateway.endpoint}?operationId=1", headers={TOKEN_HEADER: token})
            assert ending.status_code == 401


async def test_a_reservation_ends_where_nobody_comes(client: httpx.AsyncClient, gateway: Running) -> None:
    tokens = [await reserve(client, gateway) for _ in range(3)]
    full = await client.put(gateway.endpoint)
    assert (full.status_code, full.json()["errors"][0]["extensions"]["code"]) == (429, "LIMIT_EXCEEDED")
    async with asyncio.timeout(10):
        while (answer := await run(client, gateway, tokens[-1], "{ __typename }", "x")).status_code != 404:
            await client.delete(f"{gateway.endpoint}?operationId=x", headers={TOKEN_HEADER: tokens[-1]})
    assert "in time" in words(answer)
    await reserve(client, gateway)


async def test_it_ends_when_its_reader_leaves(client: httpx.AsyncClient, gateway: Running, job: Job) -> None:
    token = await reserve(client, gateway)
    async with opened(client, gateway, token) as coming:
        await run(client, gateway, token, CHANGES, id=f"job_{job.id}")
        await anext(coming)
    async with asyncio.timeout(10):
        while (await run(client, gateway, token, "{ __typename }", "x")).status_code != 404:
            await client.delete(f"{gateway.endpoint}?operationId=x", headers={TOKEN_HEADER: token})


async def test_it_ends_with_the_token_that_reserved_it(client: httpx.AsyncClient, gateway: Running, job: Job) -> None:
    row, secret = await gateway.tokens.create(ADA, "Ada", Role.USER, None)
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {secret}"}) as used:
        token = await reserve(used, gateway)
        async with opened(used, gateway, token) as coming:
            await run(used, gateway, token, CHANGES, id=f"job_{job.id}")
            await anext(coming)
            await gateway.tokens.revoke(row.id)
            told = [event async for event in coming]
    assert told[0][1]["payload"]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert told[-1] == ("complete", {"id": "1"})
