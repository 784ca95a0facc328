"""From a job's end in Slurm to the event at a subscriber, and what it costs slurmctld.

    python -m benchmarks.push

The end is slurmctld's own: its log says `_job_complete: JobId=… done`, and is looked at every 5 ms. The event is
taken when a WebSocket subscriber has it. squeue is counted in the gateway's log: while jobs end, and for a minute in
which one job runs and nothing changes.
"""

import asyncio
import json
import re
import statistics
import tempfile
import threading
import time
from contextlib import aclosing
from pathlib import Path

from benchmarks.figures import table
from demo.gateway import GatewayProcess
from slurm_site import SiteOptions, SlurmSite
from tests.client import Client, mint
from tests.faults.subscribers import by_socket

JOBS = 40
AT_ONCE = 4
QUIET_SECONDS = 60.0
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


def squeues(gateway: GatewayProcess) -> int:
    return gateway.log.read_text().count('"command": "squeue"')


async def arrivals(gateway: GatewayProcess, token: str, seen: dict[str, float]) -> None:
    async with aclosing(by_socket(gateway, token, "0")) as events:
        async for event in events:
            if event["state"] == "COMPLETED":
                seen[event["job"]["id"]] = time.time()


async def live(gateway: GatewayProcess, client: Client, token: str) -> dict[str, float]:
    """Jobs that end at uneven times; when the subscriber had the end of each, by Slurm's number."""
    seen: dict[str, float] = {}
    listening = asyncio.create_task(arrivals(gateway, token, seen))
    gate, numbers = asyncio.Semaphore(AT_ONCE), {}

    async def one(number: int) -> None:
        async with gate:
            job = await asyncio.to_thread(client.create_job, f"sleep {0.5 + (number * 37 % 100) / 50}")
            numbers[job["id"]] = (await asyncio.to_thread(client.launch, job["id"]))["slurmJobId"]
            async with asyncio.timeout(60):
                while job["id"] not in seen:
                    await asyncio.sleep(0.02)

    await asyncio.gather(*(one(number) for number in range(JOBS)))
    listening.cancel()
    return {numbers[job]: at for job, at in seen.items()}


def measure(site: SlurmSite, folder: Path, notices: bool) -> list[object]:
    more = f"[watcher]\nnotices = {json.dumps(notices)}\n"
    ends = Ends(site)
    ends.start()
    with GatewayProcess(site, folder, more=more) as gateway:
        token = mint(gateway, "ada@example.org")
        with Client(gateway.url, token) as client:
            client.create_user()
            began, asked = time.monotonic(), squeues(gateway)
            had = asyncio.run(live(gateway, client, token))
            busy = 60 * (squeues(gateway) - asked) / (time.monotonic() - began)
            late = sorted(at - ended for number, ended in ends.at.items() if (at := had.get(number)))
            assert len(late) == JOBS, len(late)
            running = client.create_job("sleep 600")
            client.launch(running["id"])
            client.wait(running["id"], lambda job: job["state"] == "RUNNING")
            time.sleep(5)  # what was announced is seen, and nothing more is
            asked = squeues(gateway)
            time.sleep(QUIET_SECONDS)
            quiet = 60 * (squeues(gateway) - asked) / QUIET_SECONDS
            client.cancel(running["id"])
    half, most = statistics.median(late), late[int(0.95 * JOBS)]
    return ["on" if notices else "off", f"{half:.2f}", f"{most:.2f}", f"{busy:.0f}", f"{quiet:.0f}"]


def main() -> None:
    rows = []
    for notices in (True, False):
        with SlurmSite(SiteOptions()) as site, tempfile.TemporaryDirectory() as folder:
            rows.append(measure(site, Path(folder), notices))
    head = ["notices", "p50, s", "p95, s", "squeue a minute, jobs ending", "squeue a minute, nothing changes"]
    table(head, rows)


if __name__ == "__main__":
    main()
