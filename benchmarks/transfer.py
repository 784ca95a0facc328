"""Uploads and downloads through the gateway against scp on the same link, and the memory that they take.

    python -m benchmarks.transfer [--mib 256] [--runs 3]

Boots a Slurm site and a gateway on it. The client on both sides is a program in C that reads and writes a file: scp,
and curl for the GraphQL multipart upload and the signed URL. Speeds are MiB/s over the whole command, with all that a
caller waits for: scp logs in each time, curl connects each time. Last the Python SDK, which resumes what is cut and
compares checksums at the end.

Every file that is written is a new one. scp writes over what is there, into memory and blocks that the file has
already; the gateway and the SDK never do, so that a file appears whole or not at all. And each transfer begins with as
much memory free that was in use just now: a virtual machine's host may take back what is free for a while, and then
each GiB of files that is written takes 2.4 s of processor time instead of 0.2 (`dd` on one that does so).
"""

import argparse
import json
import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from benchmarks.figures import forget_peak, medians, memory_mib, processor_seconds, table
from demo.gateway import GatewayProcess
from gql_gateway.sdk import HpcGateway
from slurm_site import SiteOptions, SlurmSite

MIB = 2**20
SLOW_MIB_PER_SECOND = 4
WARM = bytes(MIB)
DELETE = "mutation($input: DeleteFileInput!) { deleteFile(input: $input) { userErrors { code message } } }"
UPLOAD = "mutation($input: UploadInput!) { upload(input: $input) { file { size } userErrors { message } } }"


def run(*command: str) -> bytes:
    """Run a command that must succeed; what it printed."""
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=600).stdout


@dataclass
class Link:
    """Both ways from this machine to the site: scp, and the gateway with a token and a job to put files into."""

    site: SlurmSite
    gateway: GatewayProcess
    token: str
    folder: Path
    job: str = ""

    @property
    def payload(self) -> Path:
        return self.folder / "payload"

    def ask(self, query: str, **variables: object) -> Any:
        """Data of a GraphQL operation."""
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = httpx.post(
            f"{self.gateway.url}/graphql", json={"query": query, "variables": variables}, headers=headers, timeout=60
        ).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def make_job(self) -> None:
        self.ask("mutation { createUser { user { id } } }")
        made = self.ask(
            "mutation($input: CreateJobInput!) { createJob(input: $input) { job { id } } }",
            input={"name": "transfer", "image": self.site.image, "command": "true"},
        )
        self.job = made["createJob"]["job"]["id"]

    def clear_far(self) -> None:
        """Take away what was sent, both ways."""
        self.site.run(["rm", "-f", f"{self.site.root}/payload"])
        self.ask(DELETE, input={"jobId": self.job, "path": "payload"})

    def clear_near(self) -> None:
        """Take away what was fetched."""
        (self.folder / "back").unlink(missing_ok=True)

    def use_memory(self) -> None:
        """Have the machine hold as much memory as the next transfer needs, and free it."""
        with (self.folder / "memory").open("wb", buffering=0) as file:
            for _ in range(self.payload.stat().st_size // MIB * 5 // 4):
                file.write(WARM)
        (self.folder / "memory").unlink()

    def scp(self, source: str, target: str) -> None:
        site = self.site
        options = [f"UserKnownHostsFile={site.known_hosts}", "BatchMode=yes", "StrictHostKeyChecking=yes"]
        given = [word for option in options for word in ("-o", option)]
        run("scp", "-q", "-F", "none", *given, "-i", str(site.private_key), "-P", str(site.port), source, target)

    def scp_up(self) -> None:
        self.scp(str(self.payload), f"{self.site.username}@{self.site.host}:{self.site.root}/payload")

    def scp_down(self) -> None:
        self.scp(f"{self.site.username}@{self.site.host}:{self.site.root}/payload", str(self.folder / "back"))

    def up(self) -> None:
        variables = {"input": {"jobId": self.job, "file": None, "path": "payload"}}
        parts = {
            "operations": json.dumps({"query": UPLOAD, "variables": variables}),
            "map": '{"0": ["variables.input.file"]}',
            "0": f"@{self.payload}",
        }
        form = [word for name, part in parts.items() for word in ("-F", f"{name}={part}")]
        answer = run("curl", "-sf", "-H", f"Authorization: Bearer {self.token}", *form, f"{self.gateway.url}/graphql")
        payload = json.loads(answer)["data"]["upload"]
        assert payload["file"]["size"] == self.payload.stat().st_size, payload

    def url(self) -> str:
        query = 'query($id: ID!) { job(id: $id) { file(path: "payload") { downloadUrl } } }'
        found: str = self.ask(query, id=self.job)["job"]["file"]["downloadUrl"]
        return found

    def down(self) -> None:
        run("curl", "-sf", "-o", str(self.folder / "back"), self.url())

    def sdk_up(self) -> None:
        with HpcGateway(self.gateway.url, self.token) as client:
            assert client.job(self.job).upload(self.payload, "payload").verified

    def sdk_down(self) -> None:
        with HpcGateway(self.gateway.url, self.token) as client:
            assert client.job(self.job).download("payload", self.folder / "back").verified


class Taken:
    """What one kind of transfer took of the gateway, over all runs; and of this process, where the SDK runs."""

    def __init__(self, link: Link, clear: Callable[[], None], work: Callable[[], None]) -> None:
        self._link = link
        self._clear = clear
        self._work = work
        self.grown = 0.0
        self.client_grown = 0.0
        self.processor = 0.0
        self.moved = 0.0

    def __call__(self) -> float:
        """Run it once; its speed in MiB/s."""
        self._clear()
        self._link.use_memory()
        pid, own = self._link.gateway.pid, os.getpid()
        forget_peak(pid)
        forget_peak(own)
        before, own_before = memory_mib(pid), memory_mib(own)
        spent, started = processor_seconds(pid), time.perf_counter()
        self._work()
        took = time.perf_counter() - started
        self.grown = max(self.grown, memory_mib(pid, "VmHWM") - before)
        self.client_grown = max(self.client_grown, memory_mib(own, "VmHWM") - own_before)
        self.processor += processor_seconds(pid) - spent
        self.moved += self._link.payload.stat().st_size / MIB
        return self._link.payload.stat().st_size / MIB / took


def compare(link: Link, runs: int) -> list[Sequence[object]]:
    """Both directions, both ways."""
    rows: list[Sequence[object]] = []
    for name, clear, plain, ours in (
        ("upload", link.clear_far, link.scp_up, link.up),
        ("download", link.clear_near, link.scp_down, link.down),
        ("upload, SDK (tus, SHA-256 verified)", link.clear_far, link.scp_up, link.sdk_up),
        ("download, SDK (SHA-256 verified)", link.clear_near, link.scp_down, link.sdk_down),
    ):
        taken = Taken(link, clear, ours)
        link.up()
        link.scp_up()
        theirs, mine = medians(runs, Taken(link, clear, plain), taken)
        if name.startswith("download"):
            run("cmp", str(link.folder / "back"), str(link.payload))
        cost = taken.processor / taken.moved * 1024
        client = f"{taken.client_grown:.0f}" if "SDK" in name else "-"
        speeds = (f"{theirs:.0f}", f"{mine:.0f}", f"{mine / theirs:.2f}")
        rows.append([name, *speeds, f"{taken.grown:.0f}", client, f"{cost:.2f}"])
    return rows


def slow_reader(link: Link, seconds: int) -> float:
    """MiB that the gateway grows by while somebody reads a large file slowly."""
    pid = link.gateway.pid
    forget_peak(pid)
    before = memory_mib(pid)
    rate = ["--limit-rate", f"{SLOW_MIB_PER_SECOND}M", "--max-time", str(seconds)]
    subprocess.run(["curl", "-s", *rate, "-o", "/dev/null", link.url()], check=False, timeout=seconds + 30)
    return memory_mib(pid, "VmHWM") - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mib", type=int, default=256, help="size of the file")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    with (
        SlurmSite(SiteOptions()) as site,
        TemporaryDirectory() as folder,
        GatewayProcess(site, Path(folder)) as gateway,
    ):
        link = Link(site, gateway, gateway.token("transfer@example.org"), Path(folder))
        run("dd", "if=/dev/urandom", f"of={link.payload}", "bs=1M", f"count={arguments.mib}", "status=none")
        link.make_job()
        rows = compare(link, arguments.runs)
        slow = slow_reader(link, 10)
    head = (
        "of one file",
        "scp MiB/s",
        "gateway MiB/s",
        "ratio",
        "gateway grown MiB",
        "client grown MiB",
        "processor s/GiB",
    )
    table(head, rows)
    print(f"\nA reader at {SLOW_MIB_PER_SECOND} MiB/s for 10 s: the gateway grew by {slow:.0f} MiB.")


if __name__ == "__main__":
    main()
