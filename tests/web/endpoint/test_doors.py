"""What one caller may do at the endpoint, and until when: revoked tokens, rates, a platform that is away."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from gql_gateway.core.identity import Role
from gql_gateway.store import migrations
from gql_gateway.store.tables import Job
from gql_gateway.web.claims import ClaimRules
from gql_gateway.web.door import DoorOptions
from gql_gateway.web.oidc import JwtRules, JwtTokens
from tests.store.rows import a_job
from tests.web.endpoint.running import ADA, SPEC, Running, running
from tests.web.endpoint.test_events import stream
from tests.web.endpoint.test_sockets import CHANGES, HEARTBEAT, init, opened

BOB = "bob@example.org"
NARROW = DoorOptions(revocation_seconds=0.1, requests_per_minute=5, subscriptions=2)
SOMEBODYS_JWT = "eyJhbGciOiJSUzI1NiJ9.e30.x"


@pytest.fixture
async def narrow(tmp_path: Path) -> AsyncIterator[Running]:
    """An endpoint that lets each user do little."""
    store = tmp_path / "gateway.db"
    await asyncio.to_thread(migrations.upgrade, f"sqlite+aiosqlite:///{store}")
    async with running(store, door_options=NARROW) as one:
        yield one


@pytest.fixture
async def a_job_there(narrow: Running) -> Job:
    return await a_job(narrow.database, narrow.ada, spec=SPEC)


async def another_token(gateway: Running, email: str = ADA) -> tuple[str, str]:
    row, token = await gateway.tokens.create(email, email, Role.USER, timedelta(hours=1))
    return row.id, token


async def test_a_socket_closes_soon_after_its_token_is_revoked(gateway: Running, job: Job) -> None:
    token_id, token = await another_token(gateway)
    async with opened(gateway, token) as socket, opened(gateway) as beside:
        await socket.subscribe("s", CHANGES, id=f"job_{job.id}")
        assert (await socket.hear())["type"] == "next"
        assert await gateway.tokens.revoke(token_id)
        assert await socket.closed() == (4403, "This token was revoked.")
        await beside.say({"type": "ping"})
        assert await beside.hear() == {"type": "pong"}


async def test_a_stream_of_events_ends_soon_after_its_token_is_revoked(gateway: Running, job: Job) -> None:
    token_id, token = await another_token(gateway)
    async with (
        asyncio.timeout(20),
        httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as client,
        stream(client, gateway, CHANGES, id=f"job_{job.id}") as coming,
    ):
        assert (await anext(coming))[0] == "next"
        assert await gateway.tokens.revoke(token_id)
        (_, last), _ = [event async for event in coming]
    assert last["errors"][0]["message"] == "This token was revoked."
    assert last["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_too_many_requests_are_told_the_limit_and_when_to_come_back(narrow: Running) -> None:
    async with httpx.AsyncClient(headers=narrow.headers) as client:
        answers = [await client.post(narrow.endpoint, json=HEARTBEAT) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429]
        (error,) = answers[5].json()["errors"]
        assert error["extensions"]["code"] == "LIMIT_EXCEEDED"
        wait = int(answers[5].headers["Retry-After"])
        assert 1 <= wait <= 60
        assert error["message"] == f"You made 5 requests in the last minute, which is the limit: wait {wait} s."
        _, bob = await another_token(narrow, BOB)
        beside = await client.post(narrow.endpoint, json=HEARTBEAT, headers={"Authorization": f"Bearer {bob}"})
        assert beside.status_code == 200, "each user has their own"
        _, second = await another_token(narrow)
        again = await client.post(narrow.endpoint, json=HEARTBEAT, headers={"Authorization": f"Bearer {second}"})
        assert again.status_code == 429, "another token is no other user"
    async with httpx.AsyncClient() as nobody:
        assert (await nobody.post(narrow.endpoint, json=HEARTBEAT)).status_code == 200


async def test_operations_on_a_socket_are_requests(narrow: Running) -> None:
    async with opened(narrow) as socket:
        for number in range(5):
            await socket.subscribe(str(number), HEARTBEAT["query"])
            assert [(await socket.hear())["type"] for _ in range(2)] == ["next", "complete"]
        await socket.subscribe("one too many", HEARTBEAT["query"])
        message = await socket.hear()
        assert (message["type"], message["id"]) == ("error", "one too many")
        assert message["payload"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"
        await socket.say({"type": "ping"})
        assert await socket.hear() == {"type": "pong"}


async def test_too_many_subscriptions_are_told_the_limit_on_whatever_connection(
    narrow: Running, a_job_there: Job
) -> None:
    words = "You have 2 subscriptions open, which is the limit: close one."
    job_id = f"job_{a_job_there.id}"
    async with opened(narrow) as first, httpx.AsyncClient(headers=narrow.headers) as client:
        for key in ("1", "2"):
            await first.subscribe(key, CHANGES, id=job_id)
            assert (await first.hear())["type"] == "next"
        async with stream(client, narrow, CHANGES, id=job_id) as coming:
            (_, refused), _ = [event async for event in coming]
        assert refused["errors"][0]["message"] == words
        assert refused["errors"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"
        await first.say({"type": "complete", "id": "1"})
        await first.subscribe("3", CHANGES, id=job_id)
        assert (await first.hear())["type"] == "next", "one that was closed makes room"


async def test_a_platform_that_is_away_is_told_apart_from_a_bad_token(tmp_path: Path) -> None:
    store = tmp_path / "gateway.db"
    await asyncio.to_thread(migrations.upgrade, f"sqlite+aiosqlite:///{store}")
    async with httpx.AsyncClient() as http:
        away = JwtTokens(http, JwtRules("http://127.0.0.1:1", "gateway"), ClaimRules())
        async with running(store, platform=[away]) as gateway:
            headers = {"Authorization": f"Bearer {SOMEBODYS_JWT}"}
            answer = await http.post(gateway.endpoint, json=HEARTBEAT, headers=headers)
            assert answer.status_code == 503
            assert answer.json()["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
            async with opened(gateway, None) as socket:
                await socket.say(init(SOMEBODYS_JWT))
                assert await socket.closed() == (1013, "The identity provider does not answer.")
            assert (await http.post(gateway.endpoint, json=HEARTBEAT, headers=gateway.headers)).status_code == 200
