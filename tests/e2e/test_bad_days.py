"""Bad days: a cluster that is away, clients that leave in the middle, files larger than memory, a crash."""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from demo.gateway import GatewayProcess
from gql_gateway.services.runs import RunLimits
from slurm_site import SlurmSite
from tests.client import Client

GIB = 1024**3


def until(good: Callable[[], object], seconds: float = 30) -> None:
    """Wait for a level."""
    deadline = time.monotonic() + seconds
    while not good():
        assert time.monotonic() < deadline, f"not so after {seconds} s"
        time.sleep(0.05)


def resident(pid: int) -> int:
    """Peak resident memory of a process in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def answers(gateway: GatewayProcess, path: str) -> bool:
    """Whether a route answers 200."""
    try:
        return httpx.get(f"{gateway.url}{path}").status_code == 200
    except httpx.TransportError:
        return False


def incoming(site: SlurmSite, folder: str) -> list[str]:
    """Parts of uploads that lie in a job's folder."""
    return site.run(["ls", "-A", f"{folder}/incoming"], check=False).stdout.split()


def test_a_gateway_starts_without_its_cluster_says_so_and_recovers(site: SlurmSite, tmp_path: Path) -> None:
    site.stop("sshd", sessions=True)
    gateway = GatewayProcess(site, tmp_path)
    try:
        gateway.start(wait=False)
        until(lambda: answers(gateway, "/healthz"))
        assert not answers(gateway, "/readyz")
        with Client.of(gateway, "early@example.org") as early:
            beat = early.ask("{ heartbeat { ok clusters { available message } } }")["heartbeat"]
            (cluster,) = beat["clusters"]
            assert not cluster["available"]
            assert cluster["message"]
            error = early.ask("mutation { createUser { user { id } userErrors { code retryable } } }")["createUser"]
            assert error["userErrors"] == [{"code": "CLUSTER_UNAVAILABLE", "retryable": True}]
            site.start("sshd")
            until(lambda: early.ask("{ clusters { available } }")["clusters"][0]["available"])
            early.create_user()
            assert early.run("true")["state"] == "COMPLETED"
            assert answers(gateway, "/readyz")
    finally:
        gateway.stop()
        if site.run(["pgrep", "-x", "sshd"], check=False).returncode:
            site.start("sshd")


def test_an_upload_that_breaks_off_leaves_nothing(alice: Client, site: SlurmSite) -> None:
    job = alice.create_job()
    operations = {
        "query": "mutation($input: UploadInput!) { upload(input: $input) { file { path } } }",
        "variables": {"input": {"jobId": job["id"], "file": None, "path": "half.bin"}},
    }
    parts = [("operations", "", json.dumps(operations)), ("map", "", '{"0": ["variables.input.file"]}')]
    head = "".join(f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{text}\r\n' for name, _, text in parts)
    head += '--x\r\nContent-Disposition: form-data; name="0"; filename="half.bin"\r\n\r\n'
    url = httpx.URL(alice.url)
    with socket.create_connection((url.host, url.port or 80)) as raw:
        raw.sendall(
            f"POST /graphql HTTP/1.1\r\nHost: {url.host}\r\nAuthorization: Bearer {alice.token}\r\n"
            f"Apollo-Require-Preflight: true\r\nContent-Type: multipart/form-data; boundary=x\r\n"
            f"Content-Length: {len(head) + 50_000_000}\r\n\r\n{head}".encode()
        )
        for _ in range(20):
            raw.sendall(os.urandom(256 * 1024))
        until(lambda: incoming(site, job["folder"]))
    until(lambda: not incoming(site, job["folder"]))
    assert set(alice.files(job["id"])) == {"run.sh"}


def test_a_download_that_breaks_off_ends_on_the_cluster_too(alice: Client, site: SlurmSite) -> None:
    job = alice.run("dd if=/dev/zero of=big bs=1M count=200 2>/dev/null")
    url = alice.files(job["id"])["big"]["downloadUrl"]
    with httpx.stream("GET", url) as answer:
        assert answer.status_code == 200
        next(answer.iter_raw())
    until(lambda: not transfers_open(site))
    assert httpx.get(url, headers={"Range": "bytes=0-9"}).content == bytes(10)


def transfers_open(site: SlurmSite) -> bool:
    """Whether a process on the login node has the big file open."""
    found = site.run(["sh", "-c", "ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c /work/big"], check=False).stdout
    return int(found) > 0


@pytest.fixture
def gateway_of_its_own(site: SlurmSite, tmp_path: Path) -> Iterator[GatewayProcess]:
    with GatewayProcess(site, tmp_path) as running:
        yield running


def test_a_gibibyte_up_and_down_in_bounded_memory(gateway_of_its_own: GatewayProcess, tmp_path: Path) -> None:
    with Client.of(gateway_of_its_own, "big@example.org") as big:
        big.create_user()
        job = big.create_job()
        big.upload(job["id"], "warm", b"x" * 1_000_000)
        httpx.get(big.files(job["id"])["warm"]["downloadUrl"])
        before = resident(gateway_of_its_own.pid)
        source = tmp_path / "gib"
        with source.open("wb") as sparse:
            sparse.truncate(GIB)
        operations = {
            "query": "mutation($input: UploadInput!) { upload(input: $input) { file { size } userErrors { code } } }",
            "variables": {"input": {"jobId": job["id"], "file": None, "path": "gib"}},
        }
        with source.open("rb") as content:
            answer = big.http.post(
                "/graphql",
                data={"operations": json.dumps(operations), "map": '{"0": ["variables.input.file"]}'},
                files={"0": ("gib", content)},
                headers={"Apollo-Require-Preflight": "true"},
                timeout=120,
            ).json()
        assert answer["data"]["upload"] == {"file": {"size": GIB}, "userErrors": []}, answer
        received = 0
        with httpx.stream("GET", big.files(job["id"])["gib"]["downloadUrl"], timeout=120) as download:
            for chunk in download.iter_raw():
                received += len(chunk)
        assert received == GIB
        assert resident(gateway_of_its_own.pid) - before <= 64 * 1024**2
        big.done("deleteFile", "DeleteFileInput", "deletedPath", jobId=job["id"], path="gib")


def test_a_subscriber_that_leaves_is_forgotten(alice: Client) -> None:
    job = alice.create_job("sleep 1")
    query = f'subscription {{ jobStateChanged(jobId: "{job["id"]}") {{ state }} }}'

    def subscriptions() -> float:
        lines = alice.http.get("/metrics").text.splitlines()
        return sum(float(line.split()[-1]) for line in lines if line.startswith("gql_gateway_subscriptions_open"))

    before = subscriptions()
    with alice.http.stream(
        "POST", "/graphql", json={"query": query}, headers={"Accept": "text/event-stream"}
    ) as stream:
        assert stream.status_code == 200
        lines = stream.iter_lines()  # kept: httpx closes the stream of an iterator that nobody holds
        assert any("CREATED" in line for line in lines)
        assert subscriptions() == before + 1
    until(lambda: subscriptions() == before)


def test_slurmctld_that_is_away_delays_a_launch_and_loses_nothing(alice: Client, site: SlurmSite) -> None:
    job = alice.create_job("true")
    site.stop("slurmctld")
    try:
        began = time.monotonic()
        launched = alice.launch(job["id"])
        waited = time.monotonic() - began
        assert waited < RunLimits().answer_seconds + 1.5, "whoever asks is answered in the time that is said"
        assert launched["state"] == "LAUNCHING"
        assert launched["reason"]
    finally:
        site.start("slurmctld")
    assert alice.wait_final(job["id"], 90)["state"] == "COMPLETED"


def test_a_gateway_that_dies_in_the_middle_of_a_job_finds_it_again(site: SlurmSite, tmp_path: Path) -> None:
    with GatewayProcess(site, tmp_path) as gateway, Client.of(gateway, "crash@example.org") as caller:
        caller.create_user()
        job = caller.create_job("sleep 2; exit 5")
        caller.launch(job["id"])
        gateway.kill()
        gateway.start()
        ended = caller.wait_final(job["id"])
        assert (ended["state"], ended["exitCode"]) == ("FAILED", 5)
