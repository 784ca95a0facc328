"""Many subscribers in one process: from the commit of an event to its last delivery, and the memory of each of them.

    python -m benchmarks.fanout [--subscribers 2000] [--events 7]

Three crowds, each with a WebSocket of its own for each of them, and each in front of a server that was started for it:
on a bare Starlette route, as subscribers of one job, and as subscribers of a job each. The gateway has an SQLite store
and a cluster that is away. An event is a change of state: one commit changes the one job, or all of them together, and
the time runs from the end of that commit to when the last subscriber has it. The load is in another process, and counts
frames only (benchmarks/crowd.py). Takes a minute.
"""

import argparse
import asyncio
import itertools
import resource
import statistics
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import uvloop

from benchmarks.crowd import Crowd
from benchmarks.figures import memory_mib, table
from gql_gateway.core.identity import Role
from gql_gateway.core.ids import new_id
from gql_gateway.core.spec import check_spec
from gql_gateway.services.tokens import ApiTokens
from gql_gateway.store import events, jobs, users
from gql_gateway.store.database import Database
from gql_gateway.store.tables import Job, User

PORT = 8199
_FIRST = 20
"""Subscribers that come first: with them comes what a gateway has once, however many follow."""
EVENTS = "subscription($id: ID!) { jobStateChanged(jobId: $id) { cursor state at reason } }"
CONFIG = """\
[server]
port = {port}
[store]
url = "{store}"
[limits]
subscriptions = 100000
[logging]
level = "error"
[[clusters]]
name = "away"
host = "127.0.0.1"
port = 1
username = "nobody"
private_key = "{key}"
known_hosts = "{key}"
root = "/scratch"
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one crowd saw: seconds, microseconds of processor time for each event, KiB for each subscriber."""

    last: float
    processor: float
    memory: float


class Site:
    """A store with jobs in it, and a server to start on it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._config = folder / "gateway.toml"
        self._store = f"sqlite+aiosqlite:///{folder}/gateway.db"
        self.token = ""
        self.jobs: list[str] = []

    async def prepare(self, number: int) -> None:
        """Write the configuration, an administrator and so many jobs."""
        (self._folder / "key").write_text("")
        self._config.write_text(CONFIG.format(port=PORT, store=self._store, key=self._folder / "key"))
        database = Database(self._store)
        await database.migrate()
        _, self.token = await ApiTokens(database).create("root@example.org", "Root", Role.ADMIN, timedelta(days=1))
        async with database.transaction() as session:
            owner = await users.create(session, "root@example.org", "Root")
            self.jobs = [await _job(session, owner) for _ in range(number)]
        await database.close()

    @asynccontextmanager
    async def served(self) -> AsyncIterator[int]:
        """A server's process id, for as long as it runs."""
        command = [sys.executable, "-m", "benchmarks.serving_events", str(self._config)]
        server = await asyncio.create_subprocess_exec(*command)
        try:
            await _ready()
            yield server.pid
        finally:
            server.kill()  # nothing of it is kept
            await server.wait()

    def greetings(self, followed: Sequence[str]) -> list[list[object]]:
        """What subscribers of these jobs say: who they are, and what they follow."""
        hello = {"type": "connection_init", "payload": {"Authorization": f"Bearer {self.token}"}}
        return [[hello, _subscribe(job_id)] for job_id in followed]


def _subscribe(job_id: str) -> object:
    payload = {"query": EVENTS, "variables": {"id": f"job_{job_id}"}}
    return {"id": "1", "type": "subscribe", "payload": payload}


async def _job(session: Any, owner: User) -> str:
    job_id, at = new_id(), datetime.now(UTC)
    spec = check_spec({"name": "fan", "image": "docker://x"}).model_dump(mode="json")
    folder = f"{owner.folder}/{job_id}"
    # Of a cluster that the gateway does not have: its watcher is not to submit them meanwhile.
    job = Job(
        id=job_id, owner_id=owner.id, cluster="elsewhere", name="fan", spec=spec, folder=folder, script="",
        script_sha256="0" * 64, created_at=at, prepared=True,
    )  # fmt: skip
    await events.append(session, await jobs.add(session, job), previous=None, at=at)
    return job_id


async def _ready() -> None:
    """Wait until the gateway answers."""
    async with asyncio.timeout(60), httpx.AsyncClient() as client:
        while True:
            try:
                await client.get(f"http://127.0.0.1:{PORT}/healthz")
            except httpx.TransportError:
                await asyncio.sleep(0.1)
            else:
                return


def states() -> Iterator[str]:
    """The states that a job goes through, and goes on to do so."""
    return itertools.chain(["LAUNCHING", "QUEUED"], itertools.cycle(["RUNNING", "SUSPENDED"]))


async def at_rest(pid: int) -> float:
    """Memory in MiB of a process once it takes no more."""
    known = [0.0]
    while len(set(known[-5:])) > 1 or len(known) < 5:
        known.append(memory_mib(pid))
        await asyncio.sleep(0.2)
    return known[-1]


async def measure(site: Site, path: str, greetings: Sequence[Sequence[object]], happen: str, **what: Any) -> Figures:
    """What a crowd sees of some events: the median time, and what the server spent."""
    crowd, number = Crowd(PORT, path), len(greetings)
    async with site.served() as pid, httpx.AsyncClient(base_url=f"http://127.0.0.1:{PORT}", timeout=120) as client:
        await crowd.join(greetings[:_FIRST])
        before = await at_rest(pid)
        await crowd.join(greetings[_FIRST:])
        each = 1024 * (await at_rest(pid) - before) / (number - _FIRST)
        took, spent = [], []
        for state, _ in zip(states(), range(what.pop("events")), strict=False):
            crowd.expect(number)
            begun = (await client.post(happen, json=what | {"state": state})).json()
            took.append(await crowd.everybody() - begun["at"])
            spent.append((await client.get("/bare/spent")).json()["spent"] - begun["spent"])
        crowd.leave()
    return Figures(statistics.median(took), 1e6 * statistics.mean(spent) / number, each)


async def run(number: int, rounds: int, folder: Path) -> None:
    """Measure each crowd, and show what they saw beside each other."""
    site = Site(folder)
    await site.prepare(number + 1)
    one, *others = site.jobs
    bare = await measure(site, "/bare/socket", number * [[]], "/bare/ring", events=rounds)
    crowds = {"a bare route": bare}
    same = site.greetings(number * [one])
    crowds["one job"] = await measure(site, "/graphql", same, "/bare/advance", events=rounds, jobs=[one])
    each = site.greetings(others)
    crowds["a job each"] = await measure(site, "/graphql", each, "/bare/advance", events=rounds, jobs=others)
    head = [f"{number} subscribers of", "last delivery ms", "events/s", "of bare", "processor us/event", "KiB each"]
    table(head, [[name, *_row(seen, bare, number)] for name, seen in crowds.items()])


def _row(seen: Figures, bare: Figures, number: int) -> list[str]:
    last, ratio = f"{1000 * seen.last:.0f}", f"1/{seen.last / bare.last:.1f}"
    return [last, f"{number / seen.last:.0f}", ratio, f"{seen.processor:.0f}", f"{seen.memory:.0f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subscribers", type=int, default=2000)
    parser.add_argument("--events", type=int, default=7)
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with TemporaryDirectory() as folder:
        uvloop.run(run(arguments.subscribers, arguments.events, Path(folder)))


if __name__ == "__main__":
    main()
