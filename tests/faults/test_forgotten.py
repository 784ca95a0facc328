"""Jobs that ended while no gateway ran, on a site without accounts whose Slurm has forgotten them since."""

import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from slurm_site import SiteOptions, SlurmSite
from tests.client import Client
from tests.faults.bench import MortalGateway
from tests.faults.child import NEVER
from tests.faults.clock import Clock, ahead
from tests.faults.facts import started, until
from tests.faults.nursery import Nursery

SITE = SiteOptions(accounting=False, min_job_age=2)
MORE = "[watcher]\nlease_seconds = 1\nlost_seconds = 3\nstatus_seconds = 5\n"
WAIT = "while [ ! -e go ]; do sleep 0.1; done"
PATIENCE = 8
EVIDENCE = "source observedAt"


def forgotten(site: SlurmSite) -> None:
    until(lambda: site.run(["squeue", "-h", "-t", "all"]).stdout == "", "Slurm has forgotten them", 60)


def shoot(site: SlurmSite, job: Any) -> None:
    """End run.sh itself by SIGKILL, so that it has no chance to write its end record."""
    site.run(["pkill", "--signal", "KILL", "--full", f"[j]ob{int(job['slurmJobId']):05}/slurm_script"])


@pytest.mark.long
def test_the_end_record_is_believed_and_without_one_a_job_is_lost_and_never_completed(
    nursery: Nursery, frail: SlurmSite, tmp_path: Path
) -> None:
    gateway = MortalGateway(nursery, frail, tmp_path, more=MORE, cluster="poll_seconds = 1")
    with gateway, Client.of(gateway, "ada@example.org") as ada:
        ada.create_user()
        good, bad = started(ada, WAIT), started(ada, f"{WAIT}; exit 4")
        shot, told = started(ada, "sleep 60"), started(ada, f"trap 'exit 0' TERM; touch up; {WAIT}")
        until(lambda: "up" in frail.run(["ls", f"{told['folder']}/work"]).stdout, "it is prepared for its end")
        gateway.kill()
        frail.run(["scancel", told["slurmJobId"]])
        frail.run(["touch", *(f"{job['folder']}/work/go" for job in (good, bad))])
        shoot(frail, shot)
        forgotten(frail)
        gateway.start()
        ended = [ada.wait_final(job["id"], 30) for job in (good, bad)]
        assert [(job["state"], job["exitCode"]) for job in ended] == [("COMPLETED", 0), ("FAILED", 4)]
        assert ada.wait_final(told["id"], 30)["state"] == "CANCELLED", "an administrator ended it, and it said 0"
        assert {ada.job(job["id"], EVIDENCE)["source"] for job in (good, bad, told)} == {"END_RECORD"}
        lost = ada.wait_final(shot["id"], 30)
        assert lost["state"] == "LOST", lost
        assert "end record" in lost["reason"]
        assert ada.job(shot["id"], EVIDENCE)["source"] == "GATEWAY"


def test_neither_a_cancel_nor_a_loss_is_told_by_a_clock_that_was_set(
    clockwork: Nursery, clock: Clock, frail: SlurmSite, tmp_path: Path
) -> None:
    patient = MORE.replace("lost_seconds = 3", f"lost_seconds = {PATIENCE}")
    gateway = MortalGateway(clockwork, frail, tmp_path, more=patient, cluster="poll_seconds = 1")
    with gateway, Client.of(gateway, "ada@example.org") as ada:
        ada.create_user()
        shot, stubborn = started(ada, "sleep 60"), started(ada, f"trap 'exit 0' TERM; touch up; {WAIT}")
        until(lambda: "up" in frail.run(["ls", f"{stubborn['folder']}/work"]).stdout, "it is prepared for its end")
        clock.set(timedelta(hours=5))
        gateway.kill()
        gateway.start_at("scancel: sent, not noted", 1)
        gateway.arm()
        with suppress(httpx.TransportError):
            ada.cancel(stubborn["id"])
        until(lambda: gateway.is_dead, "it dies when Slurm was told")
        gateway.kill()
        shoot(frail, shot)
        forgotten(frail)
        began = time.monotonic()
        gateway.start_at(NEVER, 1)
        told = ada.wait_final(stubborn["id"], 30)
        assert (told["state"], ada.job(told["id"], EVIDENCE)["source"]) == ("CANCELLED", "END_RECORD")
        for jump in (timedelta(days=40), timedelta(hours=-5), timedelta(days=-100)):
            clock.set(jump)
            assert ahead(ada) == jump
        after = ada.create_job("true")
        ada.launch(after["id"])
        after = ada.wait_final(after["id"], 30)
        assert after["state"] == "COMPLETED", "launched by a clock that is months behind that of all before"
        assert ada.wait_final(shot["id"], 60)["state"] == "LOST"
        assert time.monotonic() - began >= PATIENCE, "time that passed, and not what clocks said"
