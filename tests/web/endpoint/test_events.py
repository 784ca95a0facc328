"""The endpoint with server-sent events: graphql-sse's distinct connections."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest

from gql_gateway.core.identity import Role
from gql_gateway.core.states import JobState
from gql_gateway.store.tables import Job
from tests.store.rows import move
from tests.web.endpoint.reading import events
from tests.web.endpoint.running import ADA, Running

EVENTS = {"Accept": "text/event-stream"}
CHANGES = "subscription($id: ID, $after: String) { jobStateChanged(jobId: $id, after: $after) { cursor state } }"


@asynccontextmanager
async def stream(
    client: httpx.AsyncClient, gateway: Running, query: str, accept: str = "text/event-stream", **variables: object
) -> AsyncIterator[AsyncIterator[tuple[str, Any]]]:
    """Events as they come: their names and data."""
    body = {"query": query, "variables": variables}
    async with client.stream("POST", gateway.endpoint, json=body, headers={"Accept": accept}) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield events(answer)


async def test_a_subscription_goes_on_as_things_happen(client: httpx.AsyncClient, gateway: Running, job: Job) -> None:
    async with asyncio.timeout(20), stream(client, gateway, CHANGES, id=f"job_{job.id}") as coming:
        _, first = await anext(coming)
        await move(gateway.database, job, JobState.LAUNCHING)
        _, second = await anext(coming)
    states = [one["data"]["jobStateChanged"]["state"] for one in (first, second)]
    assert states == ["CREATED", "LAUNCHING"]


async def test_a_subscription_goes_on_behind_a_cursor(client: httpx.AsyncClient, gateway: Running, job: Job) -> None:
    async with stream(client, gateway, CHANGES, id=f"job_{job.id}") as coming:
        cursor = (await anext(coming))[1]["data"]["jobStateChanged"]["cursor"]
    await move(gateway.database, job, JobState.LAUNCHING)
    await move(gateway.database, job, JobState.QUEUED)
    async with asyncio.timeout(20), stream(client, gateway, CHANGES, id=f"job_{job.id}", after=cursor) as coming:
        states = [(await anext(coming))[1]["data"]["jobStateChanged"]["state"] for _ in range(2)]
    assert states == ["LAUNCHING", "QUEUED"]


@pytest.mark.parametrize("query", ["{ heartbeat { ok } }", "{", "{ nothing }"])
async def test_other_operations_are_one_event(client: httpx.AsyncClient, gateway: Running, query: str) -> None:
    async with asyncio.timeout(20), stream(client, gateway, query) as coming:
        got = [event async for event in coming]
    assert [name for name, _ in got] == ["next", "complete"]
    if "ok" in query:
        assert got[0][1] == {"data": {"heartbeat": {"ok": True}}}
    else:
        assert got[0][1]["errors"][0]["extensions"]["requestId"]


async def test_who_takes_both_gets_documents_for_queries_and_events_for_subscriptions(
    client: httpx.AsyncClient, gateway: Running, job: Job
) -> None:
    both = "application/graphql-response+json, application/json, text/event-stream, multipart/mixed"
    answer = await client.post(gateway.endpoint, json={"query": "{ heartbeat { ok } }"}, headers={"Accept": both})
    assert answer.json() == {"data": {"heartbeat": {"ok": True}}}
    async with stream(client, gateway, CHANGES, accept=both, id=f"job_{job.id}") as coming:
        assert (await anext(coming))[0] == "next"


async def test_a_stream_ends_when_its_token_expires(gateway: Running, job: Job) -> None:
    _, token = await gateway.tokens.create(ADA, "Ada", Role.USER, timedelta(seconds=1))
    async with (
        asyncio.timeout(20),
        httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as client,
        stream(client, gateway, CHANGES, id=f"job_{job.id}") as coming,
    ):
        got = [event async for event in coming]
    assert [name for name, _ in got] == ["next", "next", "complete"]
    assert got[1][1]["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_mutations_are_not_asked_by_get(client: httpx.AsyncClient, gateway: Running) -> None:
    query = {"query": "mutation { createUser { user { id } } }"}
    async with client.stream("GET", gateway.endpoint, params=query, headers=EVENTS) as answer:
        ((_, refused), _) = [event async for event in events(answer)]
    assert refused["errors"][0]["message"] == "mutations are not allowed"
