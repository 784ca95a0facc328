"""What users do while faults happen: ten jobs at once, uploads, cancels, and everything again until it is answered."""

import asyncio
import hashlib
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

from tests.client import ERRORS, JOB

AGAIN_SECONDS = 0.1
PATIENCE_SECONDS = 120.0
COMMAND = "echo run >> canary; cat input 2>/dev/null | wc -c; sleep {seconds}"
"""A canary line for each time that it ran, counted at the end."""


@dataclass(slots=True)
class Plan:
    """What one job is to go through."""

    key: str
    seconds: float = 0.2
    input_bytes: int = 0
    cancel_after: float | None = None
    job_id: str = ""
    input_sha256: str = ""
    answered: dict[str, Any] = field(default_factory=dict)


def plans(prefix: str, chance: random.Random) -> list[Plan]:
    """Ten jobs: plain ones, two with an upload (one in a single frame, one in a stream), three that are cancelled."""
    made = [Plan(f"{prefix}-{number}", seconds=chance.uniform(0, 1)) for number in range(10)]
    made[3].input_bytes = 50_000
    made[4].input_bytes = 3_000_000
    made[7].cancel_after, made[7].seconds = 0.0, 60
    made[8].cancel_after, made[8].seconds = chance.uniform(0, 0.3), 60
    made[9].cancel_after, made[9].seconds = chance.uniform(0, 1.5), 60
    return made


class Caller:
    """One user who asks again until there is an answer, whatever happens to the gateway."""

    def __init__(self, url: str, token: str) -> None:
        headers = {"Authorization": f"Bearer {token}"}
        limits = httpx.Limits(max_connections=None)
        self._http = httpx.AsyncClient(base_url=url, headers=headers, timeout=60, limits=limits)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def live(self, plan: Plan) -> None:
        """Bring one job through its plan."""
        job = await self.create(plan.key, COMMAND.format(seconds=plan.seconds))
        plan.job_id = job["id"].removeprefix("job_")
        if plan.input_bytes:
            content = plan.key.encode().ljust(plan.input_bytes, b".")
            plan.input_sha256 = hashlib.sha256(content).hexdigest()
            await self.upload(job["id"], "input", content)
        cancelling = None
        if plan.cancel_after is not None:
            cancelling = asyncio.create_task(self._cancel_later(job["id"], plan.cancel_after))
        plan.answered = await self.mutate("launch", "JobInput", jobId=job["id"])
        if cancelling:
            await cancelling

    async def _cancel_later(self, job_id: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.mutate("cancel", "JobInput", jobId=job_id)

    async def create(self, key: str, command: str, **more: object) -> Any:
        values = {"name": key, "image": "/opt/img/busybox.sif", "command": command, "idempotencyKey": key} | more
        return (await self.mutate("createJob", "CreateJobInput", **values))["job"]

    async def mutate(self, field_: str, kind: str, **input_: object) -> dict[str, Any]:
        query = f"mutation($input: {kind}!) {{ {field_}(input: $input) {{ job {{ {JOB} }} {ERRORS} }} }}"
        body = {"query": query, "variables": {"input": input_}}
        answer: dict[str, Any] = (await self._until(lambda: self._http.post("/graphql", json=body)))[field_]
        return answer

    async def upload(self, job_id: str, path: str, content: bytes) -> None:
        query = f"mutation($input: UploadInput!) {{ upload(input: $input) {{ file {{ size }} {ERRORS} }} }}"
        variables = {"input": {"jobId": job_id, "file": None, "path": path}}
        parts = {
            "operations": (None, json.dumps({"query": query, "variables": variables})),
            "map": (None, json.dumps({"0": ["variables.input.file"]})),
            "0": (path, content),
        }
        headers = {"Apollo-Require-Preflight": "true"}
        await self._until(lambda: self._http.post("/graphql", files=parts, headers=headers))

    async def query(self, query: str, **variables: object) -> Any:
        body = {"query": query, "variables": variables}
        return await self._until(lambda: self._http.post("/graphql", json=body))

    async def _until(self, ask: Callable[[], Awaitable[httpx.Response]]) -> dict[str, Any]:
        """The data of an answer. Again while nobody answers, or the answer says that a later one may be better."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                try:
                    answer = (await ask()).json()
                except (httpx.TransportError, ValueError):
                    await asyncio.sleep(AGAIN_SECONDS)
                    continue
                if not _retryable(answer):
                    assert "errors" not in answer, answer["errors"]
                    data: dict[str, Any] = answer["data"]
                    return data
                await asyncio.sleep(AGAIN_SECONDS)


def _retryable(answer: dict[str, Any]) -> bool:
    if "errors" in answer:
        return all(error["extensions"]["code"] == "UNAVAILABLE" for error in answer["errors"])
    payloads = [one for one in answer["data"].values() if isinstance(one, dict)]
    return any(error["retryable"] for payload in payloads for error in payload.get("userErrors", ()))
