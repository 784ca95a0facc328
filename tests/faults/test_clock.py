"""The gateway's clock is set while it works, by hours and months, to and fro: nothing that counts goes by it."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import ExitStack, aclosing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import websockets

from gql_gateway.core.ids import slurm_name
from slurm_site import SiteOptions, SlurmSite
from tests.client import Client, mint
from tests.faults.bench import MortalGateway
from tests.faults.child import NEVER
from tests.faults.clock import RIGHT, Clock, ahead
from tests.faults.facts import CANARY, ran_once, until
from tests.faults.nursery import Nursery
from tests.faults.subscribers import Refusal, Subscriber, by_socket, by_stream, listening, log_of
from tests.faults.users import Caller, Plan, plans
from tests.faults.verdicts import accounts, folders, reckon, unsettled
from tests.store import postgresql

SITE = SiteOptions(min_job_age=2)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
JUMPS = [3 * HOUR, -5 * HOUR, 60 * DAY, -2 * HOUR, RIGHT]
SOME = (0, 3, 4, 7, 9)
"""Of ten plans: a plain job, two uploads, a cancel at once and one a while later."""


@pytest.fixture
def mortal(clockwork: Nursery, clock: Clock, frail: SlurmSite, tmp_path: Path) -> Iterator[MortalGateway]:
    with MortalGateway(clockwork, frail, tmp_path) as running:
        yield running


async def live_through(jumps: list[timedelta], clock: Clock, callers: list[Caller], store: str) -> list[Plan]:
    """Users' days; the clock is set whenever some more of them are under way."""
    chance, made, days = random.Random(1), list[Plan](), list[asyncio.Task[None]]()
    for number, jump in enumerate(jumps):
        before = len(log_of(store))
        every = plans(f"jump-{number}", chance)
        for index, kind in enumerate(SOME):
            made.append(every[kind])
            days.append(asyncio.create_task(callers[index % len(callers)].live(every[kind])))
        await asyncio.to_thread(until, lambda known=before: len(log_of(store)) >= known + len(SOME), "they are at work")
        clock.set(jump)
    await asyncio.gather(*days)
    await asyncio.to_thread(until, lambda: not unsettled(store), "every job has ended", 90)
    return made


async def test_each_job_runs_once_ends_as_slurm_says_and_every_event_comes_in_order(
    mortal: MortalGateway, ada: Client, clock: Clock, frail: SlurmSite
) -> None:
    token = str(ada.token)
    watchers = [Subscriber(mortal, token, subscribe, 1) for subscribe in (by_socket, by_stream)]
    async with Caller(mortal.url, token) as caller, listening(watchers, mortal.store):
        clock.set(-HOUR)
        assert await asyncio.to_thread(ahead, ada) == -HOUR, "it is the gateway's clock that is set"
        made = await live_through(JUMPS, clock, [caller], mortal.store)
    assert reckon(frail, mortal.store, made).faults == []
    log = log_of(mortal.store)
    assert [watcher.told == log for watcher in watchers] == [True, True]


@pytest.mark.parametrize(("made", "found"), [(40 * DAY, RIGHT), pytest.param(RIGHT, 400 * DAY, marks=pytest.mark.long)])
def test_a_job_that_accounting_alone_remembers_is_found_and_not_submitted_again(
    clockwork: Nursery, clock: Clock, frail: SlurmSite, tmp_path: Path, made: timedelta, found: timedelta
) -> None:
    clock.set(made)
    with MortalGateway(clockwork, frail, tmp_path) as gateway, Client.of(gateway, "ada@example.org") as ada:
        ada.create_user()
        job = ada.create_job(CANARY)
        gateway.kill()
        gateway.start_at("sbatch: answered, not recorded", 1)
        gateway.arm()
        with suppress(httpx.TransportError):
            ada.launch(job["id"])
        until(lambda: gateway.is_dead, "it dies when Slurm has the job")
        gateway.kill()
        name = f"--name={slurm_name(job['id'].removeprefix('job_'))}"
        until(lambda: frail.run(["squeue", "-h", "-t", "all", name]).stdout == "", "the queue has forgotten it", 60)
        clock.set(found)
        gateway.start_at(NEVER, 1)
        assert ahead(ada) == found
        ended = ada.wait_final(job["id"], 60)
        assert (ended["state"], ada.job(job["id"], "source")["source"]) == ("COMPLETED", "SACCT")
        ran_once(frail, ended)


@pytest.fixture
def pair(clockwork: Nursery, clock: Clock, frail: SlurmSite, tmp_path: Path) -> Iterator[list[MortalGateway]]:
    """Two gateways on one PostgreSQL, and all three live by the clock: its own is what leases end by."""
    with postgresql.running(clock.environment) as server, ExitStack() as stack:
        asyncio.run(server.execute("CREATE DATABASE gateway"))
        gateways = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            gateway = MortalGateway(clockwork, frail, tmp_path / name, store=server.url("gateway"))
            gateways.append(stack.enter_context(gateway))
        yield gateways


def leads(gateway: MortalGateway) -> int:
    return gateway.told("leading")


async def test_of_two_processes_one_submits_and_a_dead_leader_does_not_stay_in_office(
    pair: list[MortalGateway], clock: Clock, frail: SlurmSite
) -> None:
    token = mint(pair[0], "ada@example.org")
    with Client(pair[0].url, token) as client:
        await asyncio.to_thread(client.create_user)
    store, strangers = pair[1].store, [*folders(frail), *accounts(frail)]
    async with Caller(pair[0].url, token) as one, Caller(pair[1].url, token) as other:
        made = await live_through([6 * HOUR, 30 * DAY, 29 * DAY], clock, [one, other], store)
        before = leads(pair[1])
        # By the database's clock the lease of the one that dies now has a month to go, unless the other holds it.
        clock.set(RIGHT)
        pair[0].kill()
        plan = Plan("after")
        await other.live(plan)
        await asyncio.to_thread(until, lambda: not unsettled(store), "the other is at work", 60)
    assert leads(pair[1]) >= max(before, 1)
    assert reckon(frail, store, [*made, plan], strangers).faults == []


def test_urls_and_tokens_end_by_the_clock_and_say_so(mortal: MortalGateway, ada: Client, clock: Clock) -> None:
    job = ada.create_job("true")
    url = ada.files(job["id"])["run.sh"]["downloadUrl"]
    end = datetime.now(UTC) + HOUR
    made = ada.mutate("createToken", "CreateTokenInput", "secret", name="an hour", expiresAt=end.isoformat())
    with Client(mortal.url, made["secret"]) as brief:
        assert (httpx.get(url).status_code, brief.job(job["id"])["id"]) == (200, job["id"])
        clock.set(5 * HOUR)
        late = httpx.get(url)
        assert (late.status_code, "expired: ask for a new one" in late.text) == (403, True)
        assert httpx.get(ada.files(job["id"])["run.sh"]["downloadUrl"]).status_code == 200
        refused = brief.post("{ me { email } }")
        assert (refused.status_code, "expired" in refused.text) == (401, True)
        clock.set(RIGHT)
        assert (httpx.get(url).status_code, brief.job(job["id"])["id"]) == (200, job["id"])


async def test_a_stream_ends_with_its_token_also_when_the_clock_jumps_over_the_end(
    mortal: MortalGateway, ada: Client, clock: Clock
) -> None:
    end = datetime.now(UTC) + HOUR
    made = ada.mutate("createToken", "CreateTokenInput", "secret", name="an hour", expiresAt=end.isoformat())
    await asyncio.to_thread(ada.create_job)
    async with asyncio.timeout(30), aclosing(by_socket(mortal, made["secret"], "0")) as events:
        await anext(events)
        clock.set(2 * HOUR)
        with pytest.raises((Refusal, websockets.ConnectionClosedError), match="expired"):
            async for _ in events:
                pass
