"""Whoever loses the connection and goes on behind the last event sees each event once and in order."""

import asyncio
import sqlite3
from contextlib import aclosing, closing

import pytest

from gql_gateway.core.states import JobState
from slurm_site import SlurmSite
from tests.client import Client
from tests.faults.bench import MortalGateway
from tests.faults.child import NEVER
from tests.faults.facts import until
from tests.faults.subscribers import Refusal, Subscriber, by_socket, by_stream, listening, log_of
from tests.faults.users import Caller
from tests.faults.verdicts import unsettled

JOBS = 16


async def test_each_event_once_and_in_order_through_cuts_of_the_connection_and_of_the_gateway(
    mortal: MortalGateway, ada: Client
) -> None:
    token = str(ada.token)
    watchers = [Subscriber(mortal, token, subscribe, seed) for seed, subscribe in enumerate([by_socket, by_stream] * 2)]
    async with Caller(mortal.url, token) as caller, listening(watchers, mortal.store):
        days = asyncio.gather(*(_day(caller, number) for number in range(JOBS)))
        await asyncio.sleep(1)
        mortal.kill()
        await asyncio.to_thread(mortal.start_at, NEVER, 1)
        await days
        await asyncio.to_thread(until, lambda: not unsettled(mortal.store), "every job has ended", 60)
    log = log_of(mortal.store)
    for watcher in watchers:
        assert watcher.told == log
        assert watcher.connections >= len(log) / 6
    assert len(log) >= 4 * JOBS


async def _day(caller: Caller, number: int) -> None:
    job = await caller.create(f"replay-{number}", "true")
    await caller.mutate("launch", "JobInput", jobId=job["id"])


@pytest.mark.parametrize("subscribe", [by_socket, by_stream])
async def test_a_cursor_that_the_log_no_longer_reaches_is_an_error_and_not_silence(
    mortal: MortalGateway, ada: Client, frail: SlurmSite, subscribe: object
) -> None:
    jobs = [ada.run("true") for _ in range(2)]
    old, kept = (_cursors(ada, job) for job in jobs)
    with closing(sqlite3.connect(mortal.store.removeprefix("sqlite+aiosqlite:///"))) as store:
        store.execute("UPDATE job_events SET at = '2020-01-01 00:00:00' WHERE id <= ?", (int(old[-1]),))
        store.commit()
    mortal.kill()
    mortal.start()  # sweeping is the first thing that a watcher does
    await asyncio.to_thread(until, lambda: _cursors(ada, jobs[0]) == [], "old events are gone")
    with pytest.raises(Refusal) as refused:
        await _first(subscribe, mortal, ada, old[0])
    assert refused.value.codes == ["CURSOR_EXPIRED"]
    event = await _first(subscribe, mortal, ada, old[-1])
    assert event["cursor"] == kept[0], "nothing is missing behind the last one that went"
    assert ada.job(jobs[0]["id"])["state"] == JobState.COMPLETED


def _cursors(client: Client, job: dict) -> list[str]:
    return [one["cursor"] for one in client.job(job["id"], "events { nodes { cursor } }")["events"]["nodes"]]


async def _first(subscribe: object, gateway: MortalGateway, client: Client, after: str) -> dict:
    async with asyncio.timeout(20), aclosing(subscribe(gateway, client.token, after)) as events:
        return await anext(events)
