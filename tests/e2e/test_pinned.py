"""A key that the site pinned to the agent: a user's day goes through it, and an agent of another version is told."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from demo.gateway import COMMAND, GatewayProcess
from gql_gateway.sdk import HpcGateway, JobState
from slurm_site import SlurmSite
from tests.client import Client
from tests.pinning import PinnedKey, agent_command, pin

IMAGE = "/opt/img/busybox.sif"
OTHER = "is of another version: install the output of `gql-gateway agent` there."


@pytest.fixture(scope="module")
def key(site: SlurmSite, tmp_path_factory: pytest.TempPathFactory) -> PinnedKey:
    return pin(site, tmp_path_factory.mktemp("pinned"), "pinned")


@pytest.fixture(scope="module")
def pinned(site: SlurmSite, key: PinnedKey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    with GatewayProcess(site, tmp_path_factory.mktemp("gateway"), key=key.private, cluster="poll_seconds = 5") as one:
        yield one


@pytest.fixture(scope="module")
def scientist(pinned: GatewayProcess) -> Iterator[HpcGateway]:
    with HpcGateway(pinned.url, pinned.token("pinned@example.org")) as client:
        client.create_user()
        yield client


def doctor(gateway: GatewayProcess) -> tuple[int, str]:
    command = [*COMMAND, "doctor", "--config", str(gateway.config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout


def why_not_ready(gateway: GatewayProcess) -> str:
    """What /readyz says of the cluster, once somebody has looked at it."""
    deadline = time.monotonic() + 30
    reason = ""
    while not reason or "yet" in reason:
        assert time.monotonic() < deadline, reason
        time.sleep(0.05)
        with suppress(httpx.TransportError):
            reason = httpx.get(f"{gateway.url}/readyz").json()["clusters"]["local"]["reason"]
    return reason


def test_the_line_lets_the_key_do_nothing_else(key: PinnedKey, site: SlurmSite) -> None:
    command = f"/usr/bin/python3 -I -S -u {key.file} root={site.root} container=singularity slurm_path="
    public = Path(f"{key.private}.pub").read_text()
    assert key.line == f'restrict,command="{command}" {public}'


def test_an_account_of_a_user_has_a_line_of_its_own(site: SlurmSite, key: PinnedKey, tmp_path: Path) -> None:
    accounts = 'account = "template"\naccount_template = "{local}"\naccount_domains = ["example.org"]\n'
    accounts += 'account_root = "/scratch/{account}/gateway"'
    gateway = GatewayProcess(site, tmp_path, key=key.private, cluster=accounts)

    line = agent_command("--authorized-keys", "--account", "alice", "--config", str(gateway.config))

    assert "agent.py root=/scratch/alice/gateway container=singularity slurm_path=" in line
    assert line.endswith(Path(f"{key.private}.pub").read_text())


def test_a_day_goes_through_it(scientist: HpcGateway, tmp_path: Path) -> None:
    inputs, results = tmp_path / "inputs", tmp_path / "results"
    (inputs / "deep").mkdir(parents=True)
    (inputs / "a.txt").write_text("a")
    (inputs / "deep" / "large").write_bytes(b"x" * 20_000_000)
    job = scientist.new_job("day", IMAGE, "cat a.txt; mkdir out; mv deep/large out/; echo done")
    job.upload_folder(inputs)
    clone = job.clone()

    job.launch()

    assert "".join(job.output()) == "adone\n"
    assert job.wait(60).state is JobState.COMPLETED
    job.download_folder(results)
    assert (results / "out" / "large").stat().st_size == 20_000_000
    job.delete_file("out/large")
    assert {file.path for file in clone.walk()} >= {"a.txt", "deep/large"}


def test_what_the_sdk_does_not_ask_goes_through_it_too(pinned: GatewayProcess) -> None:
    with Client.of(pinned, "other@example.org") as client:
        client.create_user()
        job = client.create_job()
        assert client.upload(job["id"], "x", b"x" * 300_000, "x")["file"]["size"] == 300_000
        forecast = "mutation($id: ID!) { launch(input: {jobId: $id}, dryRun: true) { forecast { words } } }"
        assert client.ask(forecast, id=job["id"])["launch"]["forecast"]["words"]
        url = client.job(job["id"], "archiveUrl")["archiveUrl"]
        assert len(httpx.get(url).content) > 300_000
        client.launch(job["id"])
        client.wait_final(job["id"])
        deadline = time.monotonic() + 30
        while (used := client.job(job["id"], "usage { cpuSeconds }")["usage"])["cpuSeconds"] is None:
            assert time.monotonic() < deadline, used
            time.sleep(0.1)


def test_a_cancel_and_a_deletion_go_through_it(scientist: HpcGateway) -> None:
    job = scientist.new_job("ends", IMAGE, "sleep 600")
    job.launch()
    job.cancel()
    assert job.wait(60).state is JobState.CANCELLED
    job.delete()


def test_doctor_finds_nothing_against_it(pinned: GatewayProcess) -> None:
    status, said = doctor(pinned)

    assert (status, said.count("✗"), said.count("!")) == (0, 0, 0), said


def test_an_agent_of_another_version_is_told(site: SlurmSite, tmp_path: Path) -> None:
    key = pin(site, tmp_path, "older")
    site.run(["sh", "-c", f"echo '# of the last release' >>{key.file}"])
    gateway = GatewayProcess(site, tmp_path, key=key.private, cluster="poll_seconds = 1")
    try:
        gateway.start(wait=False)
        reason = why_not_ready(gateway)
    finally:
        gateway.stop()
    status, said = doctor(gateway)

    assert reason == f"The agent that the key is pinned to, {key.file}, {OTHER}"
    assert status == 1
    assert f"local: SSH and Python: {reason}" in said


def test_another_root_than_the_pinned_one_is_told(site: SlurmSite, key: PinnedKey, tmp_path: Path) -> None:
    gateway = GatewayProcess(site, tmp_path, key=key.private)
    gateway.config.write_text(gateway.config.read_text().replace(f'root = "{site.root}"', 'root = "/tmp"'))

    status, said = doctor(gateway)

    assert status == 1
    assert f"The key is pinned to the root folder {site.root}." in said
