"""Disks that are full: the one of the jobs' folders, and the one of the gateway's own store."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gql_gateway.core.ids import slurm_name
from slurm_site import SiteOptions, SlurmSite
from tests.client import Client
from tests.faults.bench import MortalGateway
from tests.faults.facts import CANARY, ran_once, started, until
from tests.faults.nursery import Nursery
from tests.faults.verdicts import SAYS, accounts, folders

SITE = SiteOptions(scratch_size="24M")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB for the store."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4M", "tmpfs", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path: Path) -> None:
    """Take all the room there is."""
    with path.open("wb", buffering=0) as ballast:
        for size in (65536, 4096, 1):
            try:
                while True:
                    ballast.write(b"x" * size)
            except OSError:
                continue


@pytest.mark.parametrize("size", [100_000, 2_000_000])
def test_an_upload_that_finds_no_room_leaves_nothing_and_says_so(ada: Client, frail: SlurmSite, size: int) -> None:
    job = ada.create_job(CANARY + "cat input | wc -c")
    assert not ada.upload(job["id"], "input", b"old", path="input")["userErrors"]
    ballast = frail.rootfs / frail.root.lstrip("/") / "ballast"
    fill(ballast)
    try:
        (error,) = ada.upload(job["id"], "input", b"n" * size, path="input")["userErrors"]
        assert error["code"] == "LIMIT_EXCEEDED"
        assert "room" in error["message"]
        refused = ada.refused("createJob", "CreateJobInput", "job { id }", name="x", image=frail.image, command="true")
        assert refused["code"] == "LIMIT_EXCEEDED"
    finally:
        ballast.unlink()
    left = folders(frail)[job["id"].removeprefix("job_")]
    assert set(left) == {"run.sh", "work/input"}
    ada.launch(job["id"])
    ended = ada.wait_final(job["id"])
    assert ada.output(ended).strip() == "3", "the old file is whole"
    ran_once(frail, ended)


def test_a_job_that_is_launched_into_a_full_disk_ends_as_slurm_says(ada: Client, frail: SlurmSite) -> None:
    job = ada.create_job("true")
    ballast = frail.rootfs / frail.root.lstrip("/") / "ballast"
    fill(ballast)
    try:
        ada.launch(job["id"])
        ended = ada.wait_final(job["id"], 60)
    finally:
        ballast.unlink()
    (account,) = accounts(frail)[slurm_name(job["id"].removeprefix("job_"))]
    assert (ended["slurmJobId"], ended["state"]) == (account.number, SAYS[account.state])
    assert {"started", "end"}.isdisjoint(folders(frail)[job["id"].removeprefix("job_")]), "no half a record"


@pytest.mark.long
def test_a_job_that_fills_the_disk_ends_as_slurm_says(ada: Client, frail: SlurmSite) -> None:
    job = ada.run(CANARY + "dd if=/dev/zero of=big bs=1M; rm -f big; exit 7")
    assert (job["state"], job["exitCode"]) == ("FAILED", 7)
    ran_once(frail, job)


def test_a_store_without_room_refuses_and_recovers_and_loses_nothing(
    nursery: Nursery, frail: SlurmSite, tmp_path: Path, small_disk: Path
) -> None:
    store = f"sqlite+aiosqlite:///{small_disk}/gateway.db"
    more = "[watcher]\nlease_seconds = 1\nresubmit_seconds = 2\n"
    gateway = MortalGateway(nursery, frail, tmp_path, store=store, more=more, cluster="poll_seconds = 1")
    with gateway, Client.of(gateway, "ada@example.org") as client:
        client.create_user()
        running = started(client, "sleep 2")
        waiting = client.create_job(CANARY)
        fill(small_disk / "ballast")
        until(lambda: _unavailable(client, waiting), "a launch that cannot be recorded is refused")
        until(lambda: frail.run(["squeue", "-h", "-t", "R,PD"]).stdout == "", "the job ended on the cluster")
        (small_disk / "ballast").unlink()
        until(lambda: not _unavailable(client, waiting), "it is taken when there is room", 60)
        for job in (running, waiting):
            ended = client.wait_final(job["id"], 60)
            assert ended["state"] == "COMPLETED"
            ran_once(frail, ended)


def _unavailable(client: Client, job: dict) -> bool:
    query = "mutation($id: ID!) { launch(input: {jobId: $id}) { job { state } } }"
    answer = client.post(query, id=job["id"]).json()
    return any(error["extensions"]["code"] == "UNAVAILABLE" for error in answer.get("errors", ()))
