"""Slurm itself fails, or an administrator does what administrators do: the gateway says what Slurm says."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from slurm_site import SlurmSite
from tests.client import Client
from tests.faults.bench import MortalGateway
from tests.faults.facts import (
    CANARY,
    UNTIL_TOLD,
    control,
    controller_has_mail,
    ran_once,
    runs,
    slurm_jobs,
    start_again,
    started,
    tell,
    until,
)
from tests.faults.nursery import Nursery

WRAPPER = """#!/bin/sh
mode=$(cat /opt/wrapped/mode)
echo "$mode" >>/opt/wrapped/asked
case $mode in
    nothing) exit 0 ;;
    error) echo 'slurm_load_jobs error: Unexpected message received' >&2; exit 1 ;;
    half) /usr/bin/squeue "$@" >/tmp/squeue.$$; lines=$(wc -l </tmp/squeue.$$)
        head -n $((lines / 2)) /tmp/squeue.$$; rm /tmp/squeue.$$ ;;
    cut) /usr/bin/squeue "$@" | head -c -30 ;;
    *) exec /usr/bin/squeue "$@" ;;
esac
"""


@pytest.fixture
def ada(nursery: Nursery, frail: SlurmSite, tmp_path: Path) -> Iterator[Client]:
    """A caller of a gateway that asks a squeue which can be made to lie, in front of the real one."""
    folder = frail.rootfs / "opt/wrapped"
    folder.mkdir(exist_ok=True)
    (folder / "squeue").write_text(WRAPPER)
    (folder / "squeue").chmod(0o755)
    (folder / "mode").write_text("pass")
    (folder / "asked").touch()
    (folder / "asked").chmod(0o666)
    more = "[limits]\nanswer_seconds = 2\n[watcher]\nresubmit_seconds = 2\nstatus_seconds = 2\n"
    cluster = 'poll_seconds = 0.5\nslurm_path = "/opt/wrapped"\ncommand_timeout = 25\n'
    with (
        MortalGateway(nursery, frail, tmp_path, more=more, cluster=cluster) as gateway,
        Client.of(gateway, "ada@example.org") as client,
    ):
        client.create_user()
        yield client


@contextmanager
def lying(site: SlurmSite, mode: str) -> Iterator[Callable[[], int]]:
    """squeue answers in this way; how often it has been asked since."""
    folder = site.rootfs / "opt/wrapped"
    (folder / "mode").write_text(mode)
    (folder / "asked").write_text("")
    try:
        yield lambda: (folder / "asked").read_text().count(mode)
    finally:
        (folder / "mode").write_text("pass")


@pytest.mark.parametrize(
    "mode", ["nothing", "half", *(pytest.param(one, marks=pytest.mark.long) for one in ("error", "cut"))]
)
def test_a_squeue_that_lies_or_fails_changes_nothing(ada: Client, frail: SlurmSite, mode: str) -> None:
    jobs = [started(ada, "sleep 60") for _ in range(3)]
    before = [ada.job(job["id"], "observedAt events { nodes { cursor } }") for job in jobs]
    with lying(frail, mode) as asked:
        until(lambda: asked() >= 3, "it was asked again after its answer", 60)
        after = [ada.job(job["id"], "observedAt events { nodes { cursor } }") for job in jobs]
    assert [job["state"] for job in after] == ["RUNNING"] * 3
    assert [job["events"] for job in after] == [job["events"] for job in before]
    for job in jobs:
        assert ada.cancel(job["id"])["state"] in {"CANCELLED", "RUNNING"}
    assert [ada.wait_final(job["id"], 60)["state"] for job in jobs] == ["CANCELLED"] * 3


@pytest.mark.long
def test_a_controller_that_is_down_and_comes_back(ada: Client, frail: SlurmSite) -> None:
    running = started(ada, "sleep 3")
    frail.stop("slurmctld")
    try:
        job = ada.create_job(CANARY)
        assert ada.launch(job["id"])["state"] == "LAUNCHING"
        until(lambda: ada.job(job["id"])["reason"], "it says why", 60)
        assert ada.job(running["id"])["state"] == "RUNNING"
    finally:
        frail.start("slurmctld")
    for one in (job, running):
        ended = ada.wait_final(one["id"], 90)
        assert ended["state"] == "COMPLETED"
        ran_once(frail, ended)


def test_a_controller_that_freezes_gets_each_job_once(ada: Client, frail: SlurmSite) -> None:
    jobs = [ada.create_job(CANARY) for _ in range(3)]
    frail.freeze("slurmctld")
    try:
        for job in jobs:
            assert ada.launch(job["id"])["state"] == "LAUNCHING"
        until(lambda: controller_has_mail(frail), "a request lies before the controller")
        # sbatch gives up after 10 s; what it sent still lies there and becomes a job when the controller wakes up.
        until(lambda: "ooking whether" in (ada.job(jobs[0]["id"])["reason"] or ""), "the outcome is unknown", 40)
    finally:
        frail.thaw("slurmctld")
    for job in jobs:
        ended = ada.wait_final(job["id"], 90)
        assert ended["state"] == "COMPLETED"
        ran_once(frail, ended)


@pytest.mark.long
def test_accounting_that_is_down(ada: Client, frail: SlurmSite) -> None:
    frail.stop("slurmdbd")
    try:
        failed = ada.run(CANARY + "exit 3")
        cancelled = started(ada, "sleep 60")
        assert ada.cancel(cancelled["id"])["state"] in {"CANCELLED", "RUNNING"}
        assert ada.wait_final(cancelled["id"])["state"] == "CANCELLED"
    finally:
        frail.start("slurmdbd")
    assert (failed["state"], failed["exitCode"]) == ("FAILED", 3)
    ran_once(frail, failed)


def test_held_released_suspended_resumed(ada: Client, frail: SlurmSite) -> None:
    for node in ("c1", "c2", "c3", "c4"):
        control(frail, f"update NodeName={node} State=DRAIN Reason=test")
    try:
        job = ada.create_job(CANARY + UNTIL_TOLD)
        slurm = ada.launch(job["id"])["slurmJobId"]
        control(frail, f"hold {slurm}")
        until(lambda: "Held" in (ada.job(job["id"])["reason"] or ""), "it says that it is held")
    finally:
        for node in ("c1", "c2", "c3", "c4"):
            control(frail, f"update NodeName={node} State=UNDRAIN")
    assert ada.job(job["id"])["state"] == "QUEUED"
    control(frail, f"release {slurm}")
    ada.wait(job["id"], lambda one: one["state"] == "RUNNING", 60)
    until(lambda: runs(frail, job) == 1, "the container is up")  # stopped on its way up, it may fail
    control(frail, f"suspend {slurm}")
    ada.wait(job["id"], lambda one: one["state"] == "SUSPENDED")
    control(frail, f"resume {slurm}")
    ada.wait(job["id"], lambda one: one["state"] == "RUNNING")
    tell(frail, job)
    ended = ada.wait_final(job["id"], 60)
    states = [event["state"] for event in ada.job(job["id"], "events { nodes { state } }")["events"]["nodes"]]
    assert states == ["CREATED", "LAUNCHING", "QUEUED", "RUNNING", "SUSPENDED", "RUNNING", "COMPLETED"]
    ran_once(frail, ended)


@pytest.mark.long
def test_requeued_by_an_administrator_it_runs_again_under_its_own_number(ada: Client, frail: SlurmSite) -> None:
    job = started(ada, "[ $(wc -l <canary) = 2 ] || sleep 60")
    until(lambda: runs(frail, job) == 1, "the container is up")
    control(frail, f"update JobId={job['slurmJobId']} Requeue=1")
    control(frail, f"requeue {job['slurmJobId']}")
    ada.wait(job["id"], lambda one: one["state"] == "QUEUED")
    start_again(frail, job)
    ended = ada.wait_final(job["id"], 60)
    assert (ended["state"], ended["slurmJobId"]) == ("COMPLETED", job["slurmJobId"])
    assert slurm_jobs(frail, job) == [job["slurmJobId"]]
    assert runs(frail, job) == 2, "that is what requeueing means, and nobody but an administrator can"


@pytest.mark.long
def test_cancelled_in_the_queue_by_an_administrator(ada: Client, frail: SlurmSite) -> None:
    job = ada.create_job(CANARY, resources={"nodes": 4, "cpusPerTask": 8})
    blocking = started(ada, "sleep 60")
    slurm = ada.launch(job["id"])["slurmJobId"]
    frail.run(["scancel", slurm])
    ended = ada.wait_final(job["id"])
    assert (ended["state"], ended["exitCode"]) == ("CANCELLED", None)
    # Accounting of 22.05 hears of it a fifth of a second later than squeue shows it: it may not know yet by whom.
    assert ("on the cluster" if frail.options.debian == "bookworm" else "by an administrator") in ended["reason"]
    ada.cancel(blocking["id"])


@pytest.mark.long
def test_a_node_that_goes_down(ada: Client, frail: SlurmSite) -> None:
    job = started(ada, "sleep 60")
    node = frail.run(["squeue", "-h", "-j", job["slurmJobId"], "-o", "%N"]).stdout.strip()
    control(frail, f"update NodeName={node} State=DOWN Reason=test")
    try:
        assert ada.wait_final(job["id"])["state"] == "NODE_FAILED"
    finally:
        frail.run(["scontrol", "update", f"NodeName={node}", "State=RESUME"], check=False)
    frail.wait_ready()
    until(lambda: slurm_jobs(frail, job) == [job["slurmJobId"]], "one Slurm job")


@pytest.mark.long
def test_a_cancel_and_a_launch_at_once(ada: Client, frail: SlurmSite) -> None:
    for _ in range(3):
        job = ada.create_job(CANARY + "sleep 60")
        frail.freeze("slurmctld")
        try:
            assert ada.launch(job["id"])["state"] == "LAUNCHING"
            assert not ada.job(job["id"])["isFinal"]
            ada.cancel(job["id"])
        finally:
            frail.thaw("slurmctld")
        ended = ada.wait_final(job["id"], 60)
        assert ended["state"] == "CANCELLED"
        until(lambda: frail.run(["squeue", "-h", "-t", "R,PD"]).stdout == "", "nothing is left in Slurm")
