"""Ready when the jobs are compared with Slurm; at SIGTERM finish, say good-bye, and leave nothing."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import websockets

from demo.gateway import StepFailed
from slurm_site import SlurmSite
from tests.client import Client
from tests.faults.bench import MortalGateway
from tests.faults.facts import ran_once, started, until
from tests.faults.nursery import Nursery
from tests.faults.subscribers import QUERY

BOUND = 3


@pytest.fixture
def mortal(nursery: Nursery, frail: SlurmSite, tmp_path: Path) -> Iterator[MortalGateway]:
    gateway = MortalGateway(nursery, frail, tmp_path)
    text = gateway.config.read_text().replace("[server]", f"[server]\nshutdown_seconds = {BOUND}")
    gateway.config.write_text(text)
    with gateway:
        yield gateway


def left_on_the_cluster(site: SlurmSite) -> str:
    return site.run(["ps", "-u", site.username, "-o", "args="], check=False).stdout


async def _socket(gateway: MortalGateway, token: str) -> websockets.ClientConnection:
    url = gateway.url.replace("http", "ws", 1) + "/graphql"
    connection = await websockets.connect(url, subprotocols=["graphql-transport-ws"])
    await connection.send(json.dumps({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}}))
    assert json.loads(await connection.recv())["type"] == "connection_ack"
    await connection.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": QUERY}}))
    return connection


async def _to_the_end(connection: websockets.ClientConnection) -> None:
    async for _ in connection:
        pass


async def test_sigterm_tells_subscribers_why_and_ends_within_its_bound(
    mortal: MortalGateway, ada: Client, frail: SlurmSite
) -> None:
    job = started(ada, "sleep 60")
    connection = await _socket(mortal, str(ada.token))
    assert json.loads(await connection.recv())["type"] == "next"
    headers = {"Authorization": f"Bearer {ada.token}", "Accept": "text/event-stream"}
    async with (
        httpx.AsyncClient(timeout=20) as http,
        http.stream("POST", f"{mortal.url}/graphql", json={"query": QUERY}, headers=headers) as stream,
    ):
        lines = stream.aiter_lines()
        assert (await anext(lines)).startswith(("event: next", ":"))
        began = time.monotonic()
        stopping = asyncio.create_task(asyncio.to_thread(mortal.stop, BOUND + 5))
        async with asyncio.timeout(BOUND + 5):
            last = [line async for line in lines if line.startswith(("event", "data"))]
            with pytest.raises(websockets.ConnectionClosedError):
                await _to_the_end(connection)
            await stopping
    assert time.monotonic() - began < BOUND + 2
    assert "event: complete" in last[-2:] or "event: complete" in last[-1:]
    assert (connection.close_code, bool(connection.close_reason)) == (1012, True)
    until(lambda: "python3" not in left_on_the_cluster(frail), "no agent is left")
    mortal.start()
    ada.cancel(job["id"])


def test_sigterm_finishes_a_request_that_is_at_work(mortal: MortalGateway, ada: Client, frail: SlurmSite) -> None:
    job = ada.create_job("cat input | wc -c")
    url = f"{mortal.url}/graphql"
    sending = subprocess.Popen(
        [sys.executable, "-c", SLOW_UPLOAD, url, str(ada.token), job["id"]], stdout=subprocess.PIPE, text=True
    )
    assert sending.stdout
    assert sending.stdout.readline() == "halfway\n"
    mortal.stop(BOUND + 5)
    answer = sending.communicate(timeout=20)[0]
    assert '"size":3000000' in answer.replace(" ", ""), answer
    mortal.start()
    ada.launch(job["id"])
    ended = ada.wait_final(job["id"])
    assert ada.output(ended).strip() == "3000000"


SLOW_UPLOAD = """
import json, sys, time, httpx
url, token, job = sys.argv[1:]
query = "mutation($input: UploadInput!) { upload(input: $input) { file { size } userErrors { message } } }"
operations = json.dumps({"query": query, "variables": {"input": {"jobId": job, "file": None, "path": "input"}}})
head = "".join(
    f'--B\\r\\nContent-Disposition: form-data; name="{name}"\\r\\n\\r\\n{value}\\r\\n'
    for name, value in (("operations", operations), ("map", '{"0": ["variables.input.file"]}'))
)
head += '--B\\r\\nContent-Disposition: form-data; name="0"; filename="input"\\r\\n\\r\\n'

def body():
    yield head.encode()
    for part in range(30):
        yield b"x" * 100_000
        if part == 15:
            print("halfway", flush=True)
        if part > 15:
            time.sleep(0.05)
    yield b"\\r\\n--B--\\r\\n"

headers = {"Authorization": "Bearer " + token, "Content-Type": "multipart/form-data; boundary=B",
           "Apollo-Require-Preflight": "true"}
print(httpx.post(url, content=body(), headers=headers, timeout=30).text)
"""


def test_it_is_ready_when_what_happened_meanwhile_is_recorded(
    mortal: MortalGateway, ada: Client, frail: SlurmSite
) -> None:
    job = started(ada, "sleep 1")
    mortal.kill()
    number = job["slurmJobId"]
    until(lambda: frail.run(["squeue", "-h", "-t", "R,CG", "-j", number]).stdout == "", "it ended while nobody looked")
    mortal.start()
    ended = ada.job(job["id"])
    assert ended["state"] == "COMPLETED", "the first answer after `ready` is true"
    ran_once(frail, ended)


@pytest.mark.long
def test_a_gateway_whose_cluster_does_not_answer_is_not_ready_and_says_why(
    mortal: MortalGateway, ada: Client, frail: SlurmSite
) -> None:
    mortal.kill()
    frail.stop("sshd", sessions=True)
    try:
        mortal.start(wait=False)
        with pytest.raises(StepFailed, match="not ready"):
            mortal.wait_ready(4)
        answer = httpx.get(f"{mortal.url}/readyz")
        assert (answer.status_code, httpx.get(f"{mortal.url}/healthz").status_code) == (503, 200)
        assert "cannot be reached" in answer.text
        assert ada.ask("{ me { email } }")["me"]["email"] == "ada@example.org", "what the store knows is served"
    finally:
        frail.start("sshd")
    mortal.wait_ready(40)
