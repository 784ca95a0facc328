"""Many subscribers in one process: from the commit of an event to its last delivery, and the memory of each of them.

    python -m benchmarks.fanout [--subscribers 2000]

A gateway on an SQLite store, whose cluster is away; each subscriber has a WebSocket of its own. First all follow one
job, then each a job of their own. The load is in another process, and takes at least as much processor time as the
gateway does. An event is the cancelling of a job that was not launched, by the API; the time runs from there.
"""

import argparse
import asyncio
import json
import resource
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import websockets

from benchmarks.figures import memory_mib, processor_seconds, table
from gql_gateway.core.identity import Role
from gql_gateway.core.ids import new_id
from gql_gateway.core.spec import check_spec
from gql_gateway.services.tokens import ApiTokens
from gql_gateway.store import events, jobs, users
from gql_gateway.store.database import Database
from gql_gateway.store.tables import Job, User

PORT = 8199
RUNS = 3
EVENTS = "subscription($id: ID!) { jobStateChanged(jobId: $id) { cursor state at reason } }"
CONFIG = """\
[server]
port = {port}
[store]
url = "{store}"
[limits]
subscriptions = 100000
[logging]
level = "warning"
[[clusters]]
name = "away"
host = "127.0.0.1"
port = 1
username = "nobody"
private_key = "{key}"
known_hosts = "{key}"
root = "/scratch"
"""


@dataclass
class Crowd:
    """Subscribers and what they got."""

    token: str
    got: int = 0
    wanted: int = 0
    all_there: asyncio.Event = field(default_factory=asyncio.Event)

    async def join(self, stack: AsyncExitStack, job_id: str) -> asyncio.Task[None]:
        """Subscribe to a job."""
        socket = await stack.enter_async_context(
            websockets.connect(
                f"ws://127.0.0.1:{PORT}/graphql", subprotocols=["graphql-transport-ws"], compression=None
            )
        )
        authorization = {"Authorization": f"Bearer {self.token}"}
        await socket.send(json.dumps({"type": "connection_init", "payload": authorization}))
        await socket.recv()
        payload = {"query": EVENTS, "variables": {"id": f"job_{job_id}"}}
        await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        return asyncio.create_task(self._listen(socket))

    async def _listen(self, socket: Any) -> None:
        async for message in socket:
            if '"next"' not in message:
                assert '"complete"' in message, message
                continue
            self.got += 1
            if self.got >= self.wanted:
                self.all_there.set()

    async def expect(self, number: int) -> None:
        """Wait until so many events came in all."""
        self.wanted = number
        self.all_there.clear()
        if self.got < number:
            async with asyncio.timeout(120):
                await self.all_there.wait()


async def seeded(database: Database, number: int) -> tuple[str, list[str]]:
    """An administrator's token, and that many queued jobs."""
    _, token = await ApiTokens(database).create("root@example.org", "Root", Role.ADMIN, timedelta(days=1))
    async with database.transaction() as session:
        owner = await users.create(session, "root@example.org", "Root")
        ids = [await _job(session, owner) for _ in range(number)]
    return token, ids


async def _job(session: Any, owner: User) -> str:
    job_id, at = new_id(), datetime.now(UTC)
    spec = check_spec({"name": "fan", "image": "docker://x"}).model_dump(mode="json")
    folder = f"{owner.folder}/{job_id}"
    job = Job(
        id=job_id, owner_id=owner.id, cluster="away", name="fan", spec=spec, folder=folder, script="",
        script_sha256="0" * 64, created_at=at, prepared=True,
    )  # fmt: skip
    await events.append(session, await jobs.add(session, job), previous=None, at=at)
    return job_id


class Bench:
    """A gateway, its administrator, and the load."""

    def __init__(self, pid: int, token: str) -> None:
        self._pid = pid
        self._token = token
        self._http = httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=120)

    async def cancel(self, job_id: str) -> None:
        """Change a job's state: one commit, one event."""
        query = "mutation($id: ID!) { cancel(input: {jobId: $id}) { userErrors { message } } }"
        body = {"query": query, "variables": {"id": f"job_{job_id}"}}
        answer = (await self._http.post(f"http://127.0.0.1:{PORT}/graphql", json=body)).json()
        assert answer["data"]["cancel"]["userErrors"] == [], answer

    async def measure(self, followed: Sequence[str]) -> list[str]:
        """One subscriber for each of these jobs, and one event for each subscriber."""
        crowd = Crowd(self._token)
        async with AsyncExitStack() as stack:
            before = memory_mib(self._pid)
            listening = []
            for start in range(0, len(followed), 50):
                joined = [crowd.join(stack, job_id) for job_id in followed[start : start + 50]]
                listening += await asyncio.gather(*joined)
            await crowd.expect(len(followed))
            each = 1024 * (memory_mib(self._pid) - before) / len(followed)
            spent, started = processor_seconds(self._pid), time.perf_counter()
            await asyncio.gather(*map(self.cancel, sorted(set(followed))))
            await crowd.expect(2 * len(followed))
            took = time.perf_counter() - started
            spent = 1e6 * (processor_seconds(self._pid) - spent) / len(followed)
            for task in listening:
                task.cancel()
        return [f"{took:.2f}", f"{len(followed) / took:.0f}", f"{spent:.0f}", f"{each:.0f}"]


async def run(number: int, folder: Path) -> None:
    """Start a gateway and measure it."""
    store = f"sqlite+aiosqlite:///{folder}/gateway.db"
    (folder / "key").write_text("")
    config = folder / "gateway.toml"
    config.write_text(CONFIG.format(port=PORT, store=store, key=folder / "key"))
    database = Database(store)
    await database.migrate()
    token, ids = await seeded(database, number + RUNS)
    await database.close()
    command = [sys.executable, "-m", "gql_gateway.cli", "serve", "--config", str(config)]
    gateway = await asyncio.create_subprocess_exec(*command)
    try:
        await ready()
        bench = Bench(gateway.pid, token)
        same = [await bench.measure(number * [job_id]) for job_id in ids[:RUNS]]
        rows = [["of one job", *sorted(same)[RUNS // 2]], ["each of another", *await bench.measure(ids[RUNS:])]]
    finally:
        gateway.terminate()
        await gateway.wait()
    table([f"{number} subscribers", "last delivery s", "events/s", "processor us/event", "KiB each"], rows)


async def ready() -> None:
    """Wait until the gateway answers."""
    async with asyncio.timeout(30), httpx.AsyncClient() as client:
        while True:
            try:
                await client.get(f"http://127.0.0.1:{PORT}/healthz")
            except httpx.TransportError:
                await asyncio.sleep(0.1)
            else:
                return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subscribers", type=int, default=2000)
    number = parser.parse_args().subscribers
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with TemporaryDirectory() as folder:
        asyncio.run(run(number, Path(folder)))


if __name__ == "__main__":
    main()
