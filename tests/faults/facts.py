"""What is so on the site, and what an administrator does there, for tests of single faults."""

import shlex
import time
from collections.abc import Callable
from typing import Any

from slurm_site import SlurmSite
from tests.client import Client
from tests.faults.verdicts import accounts

CANARY = "echo run >> canary; "
UNTIL_TOLD = "until [ -e told ]; do sleep 0.1; done; sleep 2"
"""Ends well, a while after `tell`. Where a command is over in the moment in which it is woken, Apptainer (1.4) finds
nobody to pass the signal to, and ends with 146: 128 and SIGCONT."""


def until(true: Callable[[], object], what: str, seconds: float = 30) -> None:
    """Wait for a level."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)


def runs(site: SlurmSite, job: Any) -> int:
    """How often a job ran: lines of its canary."""
    done = site.run(["cat", f"{job['folder']}/work/canary"], check=False)
    return len(done.stdout.splitlines())


def slurm_jobs(site: SlurmSite, job: Any) -> list[str]:
    """Numbers of the Slurm jobs with a job's token."""
    return [one.number for one in accounts(site).get(f"gw-{job['id'].removeprefix('job_')}", [])]


def ran_once(site: SlurmSite, job: Any) -> None:
    until(lambda: slurm_jobs(site, job) == [job["slurmJobId"]], f"one Slurm job, not {slurm_jobs(site, job)}")
    assert runs(site, job) == 1


def tell(site: SlurmSite, job: Any) -> None:
    """Let a job go that runs `UNTIL_TOLD`."""
    site.run(["touch", f"{job['folder']}/work/told"])


def started(client: Client, command: str, **more: object) -> Any:
    """A job that runs."""
    job = client.create_job(CANARY + command, **more)
    client.launch(job["id"])
    return client.wait(job["id"], lambda one: one["state"] == "RUNNING", 60)


def control(site: SlurmSite, words: str) -> None:
    """A command of an administrator's."""
    site.run(["scontrol", *shlex.split(words)])


def start_again(site: SlurmSite, job: Any) -> None:
    """Start a requeued job before its two minutes are over.

    Not in the second in which its first run was ended: slurmd takes the new credential for the revoked one then, and
    the job fails ("Job 6 already killed, do not launch batch job", 24.11).
    """
    control(site, f"update JobId={job['slurmJobId']} StartTime=now+2")


def controller_has_mail(site: SlurmSite) -> bool:
    """Whether a request lies unread before a frozen slurmctld."""
    conf = (site.rootfs / "etc/slurm/slurm.conf").read_text()
    port = int(next(line for line in conf.splitlines() if line.startswith("SlurmctldPort=")).partition("=")[2])
    rows = (row.split() for row in site.run(["cat", "/proc/net/tcp"]).stdout.splitlines()[1:])
    return any(row[1].endswith(f":{port:04X}") and row[3] == "01" and not row[4].endswith(":00000000") for row in rows)
