"""An administrator's job takes the nodes of running ones: what becomes of them is told in Slurm's words."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from slurm_site import SiteOptions, SlurmSite
from slurm_site.options import NODES
from tests.client import Client
from tests.faults.facts import UNTIL_TOLD, control, ran_once, runs, slurm_jobs, start_again, started, tell, until

SITE = SiteOptions(preemption=True)
ALL_NODES = {"nodes": len(NODES), "cpusPerTask": 8}
EVENTS = "events { nodes { state reason source } }"


@contextmanager
def urgent(site: SlurmSite) -> Iterator[None]:
    """A job of root's that has every processor of the site within the `with`."""
    asked = [f"--nodes={len(NODES)}", "--ntasks-per-node=1", "--cpus-per-task=8", "--partition=urgent"]
    number = site.run(["sbatch", "--parsable", "--output=/dev/null", *asked, "--wrap=sleep 300"]).stdout.strip()
    try:
        state = ["squeue", "--noheader", f"--jobs={number}", "--format=%T"]
        until(lambda: site.run(state).stdout == "RUNNING\n", "the urgent job has the nodes")
        yield
    finally:
        site.run(["scancel", number])


def at_work(client: Client, site: SlurmSite, command: str, partition: str) -> Any:
    """A job on all nodes whose container is up: stopped on its way up, it may fail."""
    job = started(client, command, resources={**ALL_NODES, "partition": partition})
    until(lambda: runs(site, job) == 1, "the container is up")
    return job


@pytest.mark.parametrize("partition", ["debug", pytest.param("requeue", marks=pytest.mark.long)])
def test_preempted_it_has_failed_for_the_reason_that_slurm_tells_and_never_runs_again(
    ada: Client, frail: SlurmSite, partition: str
) -> None:
    job = at_work(ada, frail, "sleep 60", partition)
    with urgent(frail):
        ended = ada.wait_final(job["id"])
    assert (ended["state"], ended["nativeState"]) == ("FAILED", "PREEMPTED")
    assert ended["exitCode"] != 0
    events = ada.job(job["id"], EVENTS)["events"]["nodes"]
    assert [event["state"] for event in events] == ["CREATED", "LAUNCHING", "QUEUED", "RUNNING", "FAILED"]
    assert events[-1]["source"] in {"SQUEUE", "SACCT"}
    assert events[-1]["reason"] == ended["reason"] == "Slurm gave the job's nodes to a job of higher priority."
    # Jobs are submitted with --no-requeue, so that Slurm ends them also where others go back to the queue.
    until(lambda: frail.run(["squeue", "-h", "-t", "R,PD"]).stdout == "", "nothing is left in Slurm")
    ran_once(frail, ended)


def test_suspended_for_a_while_it_goes_on(ada: Client, frail: SlurmSite) -> None:
    job = at_work(ada, frail, UNTIL_TOLD, "suspend")
    with urgent(frail):
        ada.wait(job["id"], lambda one: one["state"] == "SUSPENDED")
    ada.wait(job["id"], lambda one: one["state"] == "RUNNING")
    tell(frail, job)
    ended = ada.wait_final(job["id"], 60)
    states = [event["state"] for event in ada.job(job["id"], EVENTS)["events"]["nodes"]]
    assert states == ["CREATED", "LAUNCHING", "QUEUED", "RUNNING", "SUSPENDED", "RUNNING", "COMPLETED"]
    ran_once(frail, ended)


@pytest.mark.long
def test_sent_back_to_the_queue_it_runs_again_under_its_own_number(ada: Client, frail: SlurmSite) -> None:
    job = at_work(ada, frail, "[ $(wc -l <canary) = 2 ] || sleep 60", "requeue")
    control(frail, f"update JobId={job['slurmJobId']} Requeue=1")  # an administrator's word against --no-requeue
    with urgent(frail):
        waiting = ada.wait(job["id"], lambda one: one["state"] == "QUEUED")
        assert waiting["slurmJobId"] == job["slurmJobId"]
    start_again(frail, job)
    ended = ada.wait_final(job["id"], 60)
    assert (ended["state"], ended["slurmJobId"]) == ("COMPLETED", job["slurmJobId"])
    until(lambda: slurm_jobs(frail, job) == [job["slurmJobId"]], "one Slurm job")
    assert runs(frail, job) == 2
