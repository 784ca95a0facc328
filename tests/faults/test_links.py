"""The way to the cluster is cut, swallows bytes, freezes, or breaks in the middle of an sbatch."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from slurm_site import SiteOptions, SlurmSite
from tests.client import JOB, Client
from tests.faults.bench import MortalGateway
from tests.faults.facts import CANARY, controller_has_mail, ran_once, started, until
from tests.faults.nursery import Nursery
from tests.faults.proxy import Wire

SITE = SiteOptions(penalties=False)
QUICK = """poll_seconds = 1
keepalive_seconds = 0.5
connect_timeout = 5
command_timeout = 8
"""


@pytest.fixture
def wire(frail: SlurmSite, tmp_path: Path) -> Iterator[Wire]:
    with Wire(frail, tmp_path) as stretched:
        yield stretched


@pytest.fixture
def ada(nursery: Nursery, wire: Wire, tmp_path: Path) -> Iterator[Client]:
    limits = "[limits]\nanswer_seconds = 1\n[watcher]\nresubmit_seconds = 3\nstatus_seconds = 2\n"
    with (
        MortalGateway(nursery, wire, tmp_path, cluster=QUICK, more=limits) as gateway,
        Client.of(gateway, "ada@example.org") as client,
    ):
        client.create_user()
        yield client


def available(client: Client) -> bool:
    return bool(client.ask("{ heartbeat { ok clusters { available } } }")["heartbeat"]["clusters"][0]["available"])


def gone(site: SlurmSite, processes: list[int]) -> bool:
    return not site.run(["ps", "-o", "pid=", *(f"--pid={one}" for one in processes)], check=False).stdout


def test_a_reset_changes_nothing(ada: Client, wire: Wire, frail: SlurmSite) -> None:
    job = started(ada, "sleep 1")
    wire.reset()
    ended = ada.wait_final(job["id"], 60)
    assert ended["state"] == "COMPLETED"
    ran_once(frail, ended)


@pytest.mark.long
def test_while_nothing_comes_through_nothing_changes_and_the_evidence_says_since_when(
    ada: Client, wire: Wire, frail: SlurmSite
) -> None:
    job = started(ada, "sleep 2")
    wire.swallow()
    until(lambda: not available(ada), "the cluster is seen to be away", 60)
    seen = ada.job(job["id"], "observedAt source")
    late = ada.refused("createJob", "CreateJobInput", "job { id }", name="x", image=frail.image, command="true")
    assert late["retryable"]
    number = job["slurmJobId"]
    until(lambda: frail.run(["squeue", "-h", "-t", "R", "-j", number]).stdout == "", "the job ended on the cluster")
    now = ada.job(job["id"], "observedAt source")
    assert (now["state"], now["observedAt"]) == ("RUNNING", seen["observedAt"]), "what was last known stays"
    wire.deliver()
    ended = ada.wait_final(job["id"], 60)
    assert ended["state"] == "COMPLETED"
    assert ada.job(job["id"], "observedAt")["observedAt"] > seen["observedAt"]
    ran_once(frail, ended)


def test_a_launch_into_silence_says_so_and_runs_once_when_the_cluster_is_back(
    ada: Client, wire: Wire, frail: SlurmSite
) -> None:
    jobs = [ada.create_job(CANARY) for _ in range(3)]
    wire.swallow()
    answers = [ada.launch(job["id"]) for job in jobs]
    assert {answer["state"] for answer in answers} == {"LAUNCHING"}
    until(lambda: all(ada.job(job["id"])["reason"] for job in jobs), "each says why it waits", 60)
    cancelled = jobs.pop()
    ada.cancel(cancelled["id"])
    wire.deliver()
    for job in jobs:
        ended = ada.wait_final(job["id"], 90)
        assert ended["state"] == "COMPLETED"
        ran_once(frail, ended)
    assert ada.wait_final(cancelled["id"], 60)["state"] == "CANCELLED"


@pytest.mark.long
def test_a_login_node_that_hangs(ada: Client, frail: SlurmSite) -> None:
    job = started(ada, "sleep 1")
    frail.freeze("sshd")
    try:
        until(lambda: not available(ada), "the cluster is seen to be away", 60)
    finally:
        frail.thaw("sshd")
        frail.kill_ssh_sessions()
    ended = ada.wait_final(job["id"], 60)
    assert ended["state"] == "COMPLETED"
    ran_once(frail, ended)


@pytest.mark.long
def test_an_sbatch_that_was_stuck_in_a_frozen_session_comes_too_late(ada: Client, frail: SlurmSite) -> None:
    """The gateway has long submitted again over another connection when the first one passes on what it holds."""
    for _ in range(3):
        job = ada.create_job(CANARY)
        frozen = frail.freeze_ssh_sessions()
        try:
            assert ada.launch(job["id"])["state"] == "LAUNCHING"
            ended = ada.wait_final(job["id"], 60)
            assert ended["state"] == "COMPLETED"
        finally:
            frail.thaw_ssh_sessions()
        until(partial(gone, frail, frozen), "the old connection has ended")
        until(lambda: frail.run(["squeue", "-h", "-t", "R,PD,CG"]).stdout == "", "nothing is left in Slurm")
        ran_once(frail, ended)
        assert ada.job(job["id"])["state"] == "COMPLETED"


def test_a_cut_in_the_middle_of_sbatch_makes_one_job(ada: Client, wire: Wire, frail: SlurmSite) -> None:
    job = ada.create_job(CANARY)
    frail.freeze("slurmctld")
    try:
        query = f"mutation($id: ID!) {{ launch(input: {{jobId: $id}}) {{ job {{ {JOB} }} }} }}"
        assert ada.ask(query, id=job["id"])["launch"]["job"]["state"] == "LAUNCHING"
        until(lambda: controller_has_mail(frail), "sbatch's request lies before the controller")
        wire.reset()
        until(lambda: "ooking whether" in (ada.job(job["id"])["reason"] or ""), "the outcome is unknown")
    finally:
        frail.thaw("slurmctld")
    ended = ada.wait_final(job["id"], 90)
    assert ended["state"] == "COMPLETED"
    ran_once(frail, ended)
