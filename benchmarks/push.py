"""From a job's end in Slurm to the event at a subscriber, and what it costs slurmctld.

    python -m benchmarks.push

The end is slurmctld's own: its log says `_job_complete: JobId=… done`, and is looked at every 5 ms. The event is
taken when a WebSocket subscriber has it. squeue is counted in the gateway's log, while jobs end and while one job runs
and nothing changes. There are two gateways, each with a site of its own, with notices and without: jobs end at the one
while nothing changes at the other, and then the other way round.
"""

import asyncio
import json
import re
import statistics
import tempfile
import threading
import time
from contextlib import ExitStack, aclosing
from pathlib import Path
from typing import Any, Self

from benchmarks.figures import table
from demo.gateway import GatewayProcess
from slurm_site import SlurmSite
from tests.client import Client, mint
from tests.faults.subscribers import by_socket

JOBS = 32
"""As many as the site's processors take at once."""
APART_SECONDS = 0.4
LEAST_SECONDS = 30.0
"""For which squeue is counted; three polls of a gateway that expects nothing."""
_DONE = re.compile(r"_job_complete: JobId=(\d+) done")


class Ends(threading.Thread):
    """When each Slurm job ended, by its number, in seconds since 1970."""

    def __init__(self, site: SlurmSite) -> None:
        super().__init__(daemon=True)
        self.at: dict[str, float] = {}
        self._log = site.rootfs / "var/log/site/slurmctld.log"

    def run(self) -> None:
        with self._log.open(errors="replace") as log:
            while True:
                line = log.readline()
                if found := _DONE.search(line):
                    self.at[found[1]] = time.time()
                elif not line:
                    time.sleep(0.005)


class Squeues:
    """Counts a gateway's squeue for the time of a `with`; `rate` is a minute's."""

    rate = 0.0

    def __init__(self, gateway: GatewayProcess) -> None:
        self._gateway = gateway

    def _count(self) -> int:
        return self._gateway.told("remote", command="squeue")

    def __enter__(self) -> Self:
        self._began, self._asked = time.monotonic(), self._count()
        return self

    def __exit__(self, *_: object) -> None:
        self.rate = 60 * (self._count() - self._asked) / (time.monotonic() - self._began)


class Subject:
    """A gateway with a site, a user, and a job that runs all the time."""

    def __init__(self, stack: ExitStack, *, notices: bool) -> None:
        self.notices = notices
        self.site = stack.enter_context(SlurmSite())
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        more = f"[watcher]\nnotices = {json.dumps(notices)}\n"
        self.gateway = stack.enter_context(GatewayProcess(self.site, folder, more=more))
        self._token = mint(self.gateway, "ada@example.org")
        self._client = stack.enter_context(Client(self.gateway.url, self._token))
        self._client.create_user()
        running = self._client.create_job("sleep 600")
        self._client.launch(running["id"])
        self._client.wait(running["id"], lambda job: job["state"] == "RUNNING")

    async def live(self) -> dict[str, float]:
        """Jobs that end one after another; when the subscriber had the end of each, by Slurm's number."""
        seen: dict[str, float] = {}
        listening = asyncio.create_task(self._listen(seen))
        began = time.monotonic()
        jobs = [await asyncio.to_thread(self._launched, number) for number in range(JOBS - 1)]
        async with asyncio.timeout(120):
            while any(job["id"] not in seen for job in jobs) or time.monotonic() - began < LEAST_SECONDS:
                await asyncio.sleep(0.02)
        listening.cancel()
        return {job["slurmJobId"]: seen[job["id"]] for job in jobs}

    def _launched(self, number: int) -> Any:
        job = self._client.create_job(f"sleep {3 + number * APART_SECONDS}")
        return self._client.launch(job["id"])

    async def _listen(self, seen: dict[str, float]) -> None:
        async with aclosing(by_socket(self.gateway, self._token, "0")) as events:
            async for event in events:
                if event["state"] == "COMPLETED":
                    seen[event["job"]["id"]] = time.time()


def measure(subject: Subject, other: Subject) -> tuple[list[str], float]:
    """A row on the one, and how often the other asked meanwhile, though nothing changed there."""
    ends = Ends(subject.site)
    ends.start()
    with Squeues(subject.gateway) as busy, Squeues(other.gateway) as idle:
        had = asyncio.run(subject.live())
    late = sorted(at - ends.at[number] for number, at in had.items())
    half, most = statistics.median(late), late[int(0.95 * len(late))]
    return ["on" if subject.notices else "off", f"{half:.2f}", f"{most:.2f}", f"{busy.rate:.0f}"], idle.rate


def main() -> None:
    with ExitStack() as stack:
        told, untold = Subject(stack, notices=True), Subject(stack, notices=False)
        time.sleep(5)  # what was announced is seen, and nothing more is
        one, untold_idle = measure(told, untold)
        other, told_idle = measure(untold, told)
    head = ["notices", "p50, s", "p95, s", "squeue a minute, jobs ending", "squeue a minute, nothing changes"]
    table(head, [[*one, f"{told_idle:.0f}"], [*other, f"{untold_idle:.0f}"]])


if __name__ == "__main__":
    main()
