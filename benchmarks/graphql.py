"""Requests per second of the commonest queries against bare routes in the same process; a folder's listing.

    python -m benchmarks.graphql [--seconds 3] [--runs 3]

Needs `wrk` (Debian package wrk). Boots a Slurm site and a gateway on it, with 300 jobs in its SQLite store. 16
connections, one operation each at a time. The routes take turns; each figure is the median of its runs. "us each" is
the processor time of the serving process for a request, which a busy machine changes less than the rate.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import httpx
import orjson

from benchmarks.figures import processor_seconds, table
from demo.gateway import GatewayProcess
from gql_gateway.core.ids import new_id, parse_job_id
from gql_gateway.core.states import JobState
from gql_gateway.store import jobs
from gql_gateway.store.database import Database
from gql_gateway.store.tables import Job
from slurm_site import SiteOptions, SlurmSite

ONE = "query($id: ID!) { job(id: $id) { id name state createdAt slurmJobId exitCode } }"
MANY = "{ jobs(first: 100) { nodes { id name state createdAt slurmJobId exitCode } } }"
FILES = "query($id: ID!) { job(id: $id) { files { path size } } }"


class Load(NamedTuple):
    """Requests per second, and the microseconds of processor time that each took the process."""

    rate: float
    spent: float


class Served(GatewayProcess):
    """A gateway with bare routes beside it."""

    def _spawn(self, *_arguments: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            command = [sys.executable, "-m", "benchmarks.serving", str(self.config)]
            return subprocess.Popen(command, stdout=output, stderr=output)


class Caller:
    """Somebody with jobs."""

    def __init__(self, gateway: GatewayProcess, folder: Path) -> None:
        self._gateway = gateway
        self._folder = folder
        self._token = gateway.token("reader@example.org")
        self.http = httpx.Client(base_url=gateway.url, headers={"Authorization": f"Bearer {self._token}"}, timeout=60)
        self.job = ""

    def ask(self, query: str, **variables: object) -> Any:
        answer = self.http.post("/graphql", json={"query": query, "variables": variables}).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def settle(self, image: str) -> None:
        """Become a user, with a job that has 100 files, and 300 more jobs in the store."""
        self.ask("mutation { createUser { user { id } } }")
        made = self.ask(
            "mutation($input: CreateJobInput!) { createJob(input: $input) { job { id } } }",
            input={"name": "files", "image": image, "command": "true"},
        )
        self.job = made["createJob"]["job"]["id"]
        for number in range(100):
            self._upload(f"result-{number:03}.dat")
        asyncio.run(self._copy(parse_job_id(self.job) or "", 300))

    def _upload(self, name: str) -> None:
        query = "mutation($input: UploadInput!) { upload(input: $input) { file { path } } }"
        operations = {"query": query, "variables": {"input": {"jobId": self.job, "file": None}}}
        parts = {
            "operations": (None, orjson.dumps(operations)),
            "map": (None, b'{"0": ["variables.input.file"]}'),
            "0": (name, b"0"),
        }
        answer = self.http.post("/graphql", files=parts)
        assert answer.json()["data"]["upload"]["file"], answer.text

    async def _copy(self, key: str, number: int) -> None:
        """Write finished jobs like this one into the store."""
        database = Database(self._gateway.store)
        try:
            async with database.transaction() as session:
                first = await jobs.get(session, key, owner_id=None)
                assert first
                for _ in range(number):
                    job_id = new_id()
                    values = first.model_dump() | {"id": job_id, "folder": f"bench/{job_id}"}
                    values |= {"state": JobState.COMPLETED, "slurm_job_id": "17", "exit_code": 0}
                    await jobs.add(session, Job(**values))
        finally:
            await database.close()

    def load(self, path: str, seconds: int, query: str, **variables: object) -> Callable[[], Load]:
        """A measure of the requests per second that are answered, and of what they cost the process."""
        body = orjson.dumps({"query": query, "variables": variables}).decode()
        script = self._folder / f"{abs(hash((path, query)))}.lua"
        script.write_text(
            f'wrk.method = "POST"\nwrk.body = [==[{body}]==]\nwrk.headers["Content-Type"] = "application/json"\n'
            f'wrk.headers["Authorization"] = "Bearer {self._token}"\n'
        )

        def run() -> Load:
            command = ["wrk", "-t1", "-c16", f"-d{seconds}s", "-s", str(script), f"{self._gateway.url}{path}"]
            before = processor_seconds(self._gateway.pid)
            said = subprocess.run(command, check=True, capture_output=True, text=True, timeout=seconds + 30).stdout
            spent = processor_seconds(self._gateway.pid) - before
            assert "Non-2xx" not in said, said
            rate = float(said.partition("Requests/sec:")[2].split()[0])
            return Load(rate, 1e6 * spent / (rate * seconds))

        return run

    def listed(self) -> tuple[float, float]:
        """Seconds that listings took the cluster, with the way there and back, and their number."""
        lines = self.http.get("/metrics").text.splitlines()
        wanted = [line for line in lines if 'command="list"' in line and 'outcome="ok"' in line]
        found = {line.partition("{")[0].rpartition("_")[2]: float(line.split()[-1]) for line in wanted}
        return found.get("sum", 0.0), found.get("count", 0.0)


def listing(caller: Caller, times: int) -> tuple[float, float]:
    """Milliseconds of listing a folder of 100 files, one after the other on one connection: the median of the whole,
    and the mean of what the cluster took, with the way there and back.
    """
    taken, (before, count) = [], caller.listed()
    for _ in range(times):
        started = time.perf_counter()
        entries = caller.ask(FILES, id=caller.job)["job"]["files"]
        taken.append(time.perf_counter() - started)
        assert len(entries) >= 100
    after, more = caller.listed()
    return 1000 * statistics.median(taken), 1000 * (after - before) / (more - count)


def compare(caller: Caller, seconds: int, runs: int) -> list[list[str]]:
    """One job and many, each against its bare routes, which take turns."""
    rows = []
    for name, kind, query in (("one job by id", "one", ONE), ("100 jobs of 6 fields", "list", MANY)):
        variables: dict[str, object] = {"id": caller.job} if kind == "one" else {}
        routes = [f"/bare/{kind}", f"/bare/sql/{kind}", "/graphql"]
        if kind == "one":
            assert caller.ask(query, **variables)["job"]["name"] == "files"
        else:
            assert len(caller.ask(query)["jobs"]["nodes"]) == 100
        measures = [caller.load(route, seconds, query, **variables) for route in routes]
        taken = [[measure() for measure in measures] for _ in range(runs)]
        loads = [Load(*map(statistics.median, zip(*column, strict=True))) for column in zip(*taken, strict=True)]
        rates, spent = [one.rate for one in loads], [one.spent for one in loads]
        rows.append([name, "requests/s", *map(_whole, rates), *(_share(rates[-1] / other) for other in rates[:-1])])
        rows.append([name, "us each", *map(_whole, spent), *(_share(other / spent[-1]) for other in spent[:-1])])
    return rows


def _whole(number: float) -> str:
    return f"{number:.0f}"


def _share(ratio: float) -> str:
    return f"{ratio:.1f}" if ratio >= 1 else f"1/{1 / ratio:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    with SlurmSite(SiteOptions()) as site, TemporaryDirectory() as folder, Served(site, Path(folder)) as gateway:
        caller = Caller(gateway, Path(folder))
        caller.settle(site.image)
        rows = compare(caller, arguments.seconds, arguments.runs)
        whole, there = listing(caller, 200)
    table(["", "", "bare route", "bare with SQL", "gateway", "of bare", "of bare with SQL"], rows)
    print(
        f"\nListing a folder of 100 files: p50 {whole:.1f} ms, of which the cluster and the way there {there:.1f} ms."
    )


if __name__ == "__main__":
    main()
