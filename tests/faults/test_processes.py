"""Two gateway processes on one PostgreSQL store: one watches; when it dies the other does, and nothing runs twice."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from slurm_site import SlurmSite
from tests.client import Client, mint
from tests.faults.bench import MortalGateway
from tests.faults.facts import CANARY, UNTIL_TOLD, ran_once, started, tell, until
from tests.faults.nursery import Nursery
from tests.faults.users import Caller, Plan
from tests.faults.verdicts import reckon, unsettled
from tests.store import postgresql

MORE = "[watcher]\nlease_seconds = 2\nresubmit_seconds = 2\nrecord_seconds = 5\n[limits]\nanswer_seconds = 3\n"


@pytest.fixture
def server() -> Iterator[postgresql.Server]:
    with postgresql.running() as running:
        asyncio.run(running.execute("CREATE DATABASE gateway"))
        yield running


ACCOUNTS = """poll_seconds = 1
account = "template"
account_template = "{local}"
account_domains = ["example.org"]
account_root = "/scratch/{account}"
"""


@pytest.fixture
def pair(
    request: pytest.FixtureRequest, nursery: Nursery, frail: SlurmSite, tmp_path: Path, server: postgresql.Server
) -> Iterator[list[MortalGateway]]:
    cluster = getattr(request, "param", "poll_seconds = 1")
    with ExitStack() as stack:
        gateways = []
        for name in ("one", "two"):
            (tmp_path / name).mkdir()
            gateway = MortalGateway(
                nursery, frail, tmp_path / name, store=server.url("gateway"), more=MORE, cluster=cluster
            )
            gateways.append(stack.enter_context(gateway))
        yield gateways


def holder(server: postgresql.Server) -> str:
    async def ask() -> str:
        connection = await asyncpg.connect(user="postgres", database="gateway", host=str(server.folder))
        try:
            return await connection.fetchval("SELECT holder FROM leases WHERE name = 'watch:local'") or ""
        finally:
            await connection.close()

    return asyncio.run(ask())


def leads(gateway: MortalGateway) -> int:
    return gateway.told("leading")


def test_one_leads_the_other_takes_over_and_each_job_runs_once(
    pair: list[MortalGateway], server: postgresql.Server, frail: SlurmSite
) -> None:
    first, second = pair
    assert (leads(first), leads(second)) == (1, 0), "both are ready, one of them watches"
    token = mint(first, "ada@example.org")
    with Client(first.url, token) as client:
        client.create_user()
    plans = [Plan(f"pair-{number}", seconds=0.1) for number in range(16)]
    before = holder(server)

    async def live() -> None:
        async with Caller(first.url, token) as one, Caller(second.url, token) as other:
            at_work = asyncio.gather(*((one, other)[index % 2].live(plan) for index, plan in enumerate(plans)))
            await asyncio.to_thread(until, lambda: first.told("job state", state="QUEUED"), "it is at work")
            first.kill()
            await asyncio.to_thread(until, lambda: leads(second) == 1, "the other takes over", 20)
            await asyncio.to_thread(first.start)
            await at_work
            # Every one was launched by one process; now by both at once, which changes nothing.
            again = [
                caller.mutate("launch", "JobInput", jobId=f"job_{plan.job_id}")
                for plan in plans
                for caller in (one, other)
            ]
            await asyncio.gather(*again)
            await asyncio.to_thread(until, lambda: not unsettled(second.store), "all have ended", 60)

    asyncio.run(live())
    assert holder(server) not in {before, ""}
    # A machine may be so busy that a leader does not renew its lease in time, which it says.
    lapses = sum(gateway.told("lease lost") for gateway in pair)
    assert leads(first) <= 1 + lapses, "who comes back does not push the leader out"
    assert reckon(frail, second.store, plans).faults == []


@pytest.mark.parametrize("pair", [ACCOUNTS], indirect=True)
def test_the_successor_looks_after_the_jobs_of_every_account(pair: list[MortalGateway], frail: SlurmSite) -> None:
    first, second = pair
    assert (leads(first), leads(second)) == (1, 0)
    with Client.of(second, "alice@example.org") as alice, Client.of(second, "bob@example.org") as bob:
        jobs: list[tuple[Client, Any]] = []
        for client in (alice, bob):
            client.create_user()
            jobs.append((client, started(client, UNTIL_TOLD)))
        first.kill()
        for client in (alice, bob):
            job = client.create_job(f"{CANARY}true")
            assert client.launch(job["id"])["state"] in {"LAUNCHING", "QUEUED", "RUNNING", "COMPLETED"}
            jobs.append((client, job))
        until(lambda: leads(second) == 1, "the other takes over", 20)
        for client, job in jobs:
            tell(frail, job)
            ended = client.wait_final(job["id"], 60)
            assert ended["state"] == "COMPLETED"
            ran_once(frail, ended)
            asked = ["squeue", "--noheader", "--states=all", f"--job={ended['slurmJobId']}", "--format=%u"]
            assert frail.run(asked).stdout.split() == ["alice" if client is alice else "bob"]
