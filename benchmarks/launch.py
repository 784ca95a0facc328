"""Launch latency and rate, against raw sbatch over a live SSH connection.

    python -m benchmarks.launch

A launch is measured from the request to the answer that Slurm has the job, written to the store. Raw is the same
sbatch with the same script over one asyncssh connection that stands, with nothing recorded anywhere. Both take turns.
The nodes are drained, so that no job runs and takes the processors from what is measured.
"""

import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from http.client import HTTPConnection
from pathlib import Path

import asyncssh
import httpx

from benchmarks.figures import table
from demo.gateway import GatewayProcess
from gql_gateway.cluster import slurm
from slurm_site import SiteOptions, SlurmSite
from tests.client import Client, mint

LAUNCHES = 150
CLIENTS = 64
BURST = 128
LAUNCH = "mutation($id: ID!) { launch(input: {jobId: $id}) { job { state slurmJobId } } }"
MORE = "[limits]\nsubmit_rate = 1000\n"


class Raw:
    """sbatch over a connection that stands."""

    def __init__(self, connection: asyncssh.SSHClientConnection, script: str) -> None:
        self._connection = connection
        self._script = script
        self._number = 0

    async def submit(self) -> None:
        self._number += 1
        command = " ".join(slurm.sbatch(f"{self._number:032x}"))
        done = await self._connection.run(command, input=self._script, check=True)
        int(str(done.stdout))


class Gateway:
    """launch over HTTP on connections that stand."""

    def __init__(
        self, plain: HTTPConnection, http: httpx.AsyncClient, headers: dict[str, str], jobs: list[str]
    ) -> None:
        self._plain = plain
        self._http = http
        self._headers = headers
        self._jobs = iter(jobs)

    async def launch(self) -> None:
        """One alone, by a client that costs 0.2 ms; httpx costs 0.9."""
        self._plain.request("POST", "/graphql", self._next(), self._headers)
        answer = json.loads(self._plain.getresponse().read())
        assert answer["data"]["launch"]["job"]["slurmJobId"], answer

    async def launch_among_others(self) -> None:
        body = self._next()
        while True:  # a launch that is answered while it still waits is asked for again: it is the same launch
            answer = (await self._http.post("/graphql", content=body, headers=self._headers)).json()
            if answer["data"]["launch"]["job"]["slurmJobId"]:
                return

    def _next(self) -> str:
        return json.dumps({"query": LAUNCH, "variables": {"id": next(self._jobs)}})


async def timed(work: Callable[[], Awaitable[None]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


async def burst(work: Callable[[], Awaitable[None]], at_once: int) -> float:
    """How many a second, with so many at once."""
    gate = asyncio.Semaphore(at_once)

    async def one() -> None:
        async with gate:
            await work()

    return BURST / await timed(lambda: asyncio.gather(*(one() for _ in range(BURST))))


async def measure(site: SlurmSite, url: str, token: str, jobs: list[str], script: str) -> None:
    options = {"username": site.username, "client_keys": [str(site.private_key)], "known_hosts": str(site.known_hosts)}
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    plain = HTTPConnection(url.removeprefix("http://"))
    async with (
        asyncssh.connect(site.host, site.port, config=None, agent_path=None, **options) as connection,
        httpx.AsyncClient(base_url=url, timeout=60) as http,
    ):
        raw, gateway = Raw(connection, script), Gateway(plain, http, headers, jobs)
        for _ in range(5):
            await raw.submit()
            await gateway.launch()
        pairs = [(await timed(raw.submit), await timed(gateway.launch)) for _ in range(LAUNCHES)]
        plain, ours = (sorted(column) for column in zip(*pairs, strict=True))
        rates = await burst(raw.submit, 5), await burst(gateway.launch_among_others, CLIENTS)
    head = ["", "raw sbatch", "launch", "launch : raw"]
    rows = [
        [f"{name}, ms", f"{1000 * a:.1f}", f"{1000 * b:.1f}", f"{b / a:.2f}"]
        for name, a, b in (
            ("p50", statistics.median(plain), statistics.median(ours)),
            ("p95", plain[int(0.95 * LAUNCHES)], ours[int(0.95 * LAUNCHES)]),
        )
    ]
    at_once = f"a second (raw 5 at once, {CLIENTS} clients)"
    table(head, [*rows, [at_once, f"{rates[0]:.0f}", f"{rates[1]:.0f}", f"{rates[1] / rates[0]:.2f}"]])


def main() -> None:
    with SlurmSite(SiteOptions()) as site, tempfile.TemporaryDirectory() as folder:
        for node in ("c1", "c2", "c3", "c4"):
            site.run(["scontrol", "update", f"NodeName={node}", "State=DRAIN", "Reason=benchmark"])
        with GatewayProcess(site, Path(folder), more=MORE) as gateway:
            token = mint(gateway, "ada@example.org")
            with Client(gateway.url, token) as client:
                client.create_user()
                made = [client.create_job("true") for _ in range(LAUNCHES + BURST + 5)]
            asyncio.run(measure(site, gateway.url, token, [job["id"] for job in made], made[0]["script"]))


if __name__ == "__main__":
    main()
