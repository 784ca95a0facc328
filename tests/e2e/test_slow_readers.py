"""Readers that take their time cost little memory, however large the file is."""

import resource
import time
from pathlib import Path

from demo.gateway import GatewayProcess
from slurm_site import SlurmSite
from tests.client import Client

MIB = 2**20


def test_what_a_slow_reader_has_not_taken_yet_stays_on_the_cluster(
    gateway: GatewayProcess, alice: Client, site: SlurmSite
) -> None:
    job = alice.create_job()
    site.run(["truncate", "-s", "1G", f"{job['folder']}/work/large"], user=site.username)
    with alice.http.stream("GET", alice.files(job["id"])["large"]["downloadUrl"]) as download:
        parts = download.iter_raw(MIB)
        next(parts)
        before = at_rest(gateway.pid)
        for _ in range(60):
            assert next(parts)
            assert at_rest(gateway.pid) - before < 48 * MIB


def at_rest(pid: int) -> int:
    """Bytes of memory that a process holds once it takes no more."""
    deadline = time.monotonic() + 20
    known = [resident(pid)]
    while len(known) < 3 or len(set(known[-3:])) > 1:
        assert time.monotonic() < deadline, known[-10:]
        time.sleep(0.03)
        known.append(resident(pid))
    return known[-1]


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
