"""Jobs that ended while no gateway ran, on a site without accounts whose Slurm has forgotten them since."""

from pathlib import Path

import pytest

from slurm_site import SiteOptions, SlurmSite
from tests.client import Client
from tests.faults.bench import MortalGateway
from tests.faults.facts import started, until
from tests.faults.nursery import Nursery

SITE = SiteOptions(accounting=False, min_job_age=2)
MORE = "[watcher]\nlease_seconds = 1\nlost_seconds = 3\nstatus_seconds = 5\n"
WAIT = "while [ ! -e go ]; do sleep 0.1; done"
EVIDENCE = "source observedAt"


@pytest.mark.long
def test_the_end_record_is_believed_and_without_one_a_job_is_lost_and_never_completed(
    nursery: Nursery, frail: SlurmSite, tmp_path: Path
) -> None:
    gateway = MortalGateway(nursery, frail, tmp_path, more=MORE, cluster="poll_seconds = 1")
    with gateway, Client.of(gateway, "ada@example.org") as ada:
        ada.create_user()
        good, bad = started(ada, WAIT), started(ada, f"{WAIT}; exit 4")
        shot = started(ada, "sleep 60")
        gateway.kill()
        frail.run(["touch", *(f"{job['folder']}/work/go" for job in (good, bad))])
        # run.sh itself by SIGKILL, so that it has no chance to write its end record.
        frail.run(["pkill", "--signal", "KILL", "--full", f"[j]ob{int(shot['slurmJobId']):05}/slurm_script"])
        until(lambda: frail.run(["squeue", "-h", "-t", "all"]).stdout == "", "Slurm has forgotten them", 60)
        gateway.start()
        ended = [ada.wait_final(job["id"], 30) for job in (good, bad)]
        assert [(job["state"], job["exitCode"]) for job in ended] == [("COMPLETED", 0), ("FAILED", 4)]
        assert {ada.job(job["id"], EVIDENCE)["source"] for job in (good, bad)} == {"END_RECORD"}
        lost = ada.wait_final(shot["id"], 30)
        assert lost["state"] == "LOST", lost
        assert "end record" in lost["reason"]
        assert ada.job(shot["id"], EVIDENCE)["source"] == "GATEWAY"
