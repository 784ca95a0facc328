"""More than the cluster takes at once: everything is accepted, recorded, done in order, and nobody times out."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from slurm_site import SiteOptions, SlurmSite
from tests.client import Client
from tests.faults.bench import MortalGateway
from tests.faults.nursery import Nursery
from tests.faults.verdicts import accounts, stored, unsettled

SITE = SiteOptions(max_sessions=3)
CALLER_SECONDS = 30.0
LAUNCHES, CALLS, RATE = 500, 200, 40
CREATE = """mutation($input: CreateJobInput!) { createJob(input: $input) { job { id } userErrors { message } } }"""
LAUNCH = """mutation($id: ID!) { launch(input: {jobId: $id}) { job { state reason } userErrors { message } } }"""
FILES = """query($id: ID!) { job(id: $id) { files { path size } } }"""


@pytest.fixture
def mortal(nursery: Nursery, frail: SlurmSite, tmp_path: Path) -> Iterator[MortalGateway]:
    more = f"[limits]\nsubmit_rate = {RATE}\nanswer_seconds = 2\n"
    cluster = "max_sessions = 3\npoll_seconds = 1"
    with MortalGateway(nursery, frail, tmp_path, more=more, cluster=cluster) as running:
        yield running


async def ask(http: httpx.AsyncClient, query: str, **variables: object) -> dict:
    answer = (await http.post("/graphql", json={"query": query, "variables": variables})).json()
    assert "errors" not in answer, answer["errors"]
    (data,) = answer["data"].values()
    assert not data.get("userErrors"), data
    return data


def impatient(mortal: MortalGateway, client: Client) -> httpx.AsyncClient:
    """A caller that gives up after half a minute, as browsers' proxies do."""
    headers = {"Authorization": f"Bearer {client.token}"}
    limits = httpx.Limits(max_connections=None)
    return httpx.AsyncClient(base_url=mortal.url, headers=headers, timeout=CALLER_SECONDS, limits=limits)


@pytest.mark.parametrize("launches", [60, pytest.param(LAUNCHES, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
async def test_many_launches_at_once_are_taken_and_submitted_in_order_at_the_rate(
    mortal: MortalGateway, ada: Client, frail: SlurmSite, launches: int
) -> None:
    async with impatient(mortal, ada) as http:
        values = {"name": "x", "image": frail.image, "command": "true", "resources": {"timeLimitSeconds": 60}}
        made = await asyncio.gather(*(ask(http, CREATE, input=values) for _ in range(launches)))
        began = time.monotonic()
        answers = await asyncio.gather(*(ask(http, LAUNCH, id=one["job"]["id"]) for one in made))
        assert {one["job"]["state"] for one in answers} <= {"LAUNCHING", "QUEUED", "RUNNING", "COMPLETED"}
        async with asyncio.timeout(300):
            while any(job.state == "LAUNCHING" for job in stored(mortal.store)[0]):
                await asyncio.sleep(0.2)
        assert time.monotonic() - began >= (launches - 1) / RATE * 0.9, "the rate is a limit"
    jobs = sorted(stored(mortal.store)[0], key=lambda job: (job.launched_at, job.id))
    numbers = [int(job.slurm_job_id) for job in jobs]
    assert numbers == sorted(numbers), "in the order of their launches"
    known = accounts(frail)
    assert [len(known[f"gw-{job.id}"]) for job in jobs] == [1] * launches
    frail.run(["scancel", f"--user={frail.username}"])
    async with asyncio.timeout(300):
        while unsettled(mortal.store):
            await asyncio.sleep(0.2)


@pytest.mark.long
async def test_many_file_calls_at_once_through_three_sessions(
    mortal: MortalGateway, ada: Client, frail: SlurmSite
) -> None:
    job = ada.create_job("true")
    content = {f"f{number}": bytes([number % 251]) * 300_000 for number in range(20)}
    for name, data in content.items():
        assert not ada.upload(job["id"], name, data, path=name)["userErrors"]
    urls = {path: file["downloadUrl"] for path, file in ada.files(job["id"]).items() if path in content}
    async with impatient(mortal, ada) as http:

        async def download(path: str) -> None:
            answer = await http.get(urls[path])
            assert answer.status_code == 200, answer.text
            assert answer.content == content[path]

        async def listing() -> None:
            files = (await ask(http, FILES, id=job["id"]))["files"]
            assert {file["path"] for file in files} == {"run.sh", *content}

        paths = list(content)
        calls = [download(paths[number % 20]) if number % 2 else listing() for number in range(CALLS)]
        await asyncio.gather(*calls)
