"""A caller for tests: GraphQL over HTTP, as plain as it gets, with waits for a level and never for a time."""

import asyncio
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, Self

import httpx

from demo.gateway import GatewayProcess
from gql_gateway.core.identity import Role
from gql_gateway.store.database import Database
from gql_gateway.web.auth import ApiTokens

JOB = "id name state isFinal slurmJobId nativeState reason exitCode folder script scriptSha256"
ERRORS = "userErrors { code message field retryable detail }"


def mint(gateway: GatewayProcess, email: str, role: str = "user", lifetime: timedelta | None = None) -> str:
    """A token, as `gql-gateway token create` makes it but without the seconds of a new process."""

    async def create() -> str:
        database = Database(gateway.store)
        try:
            _, token = await ApiTokens(database).create(email, email, Role(role), lifetime)
        finally:
            await database.close()
        return token

    with ThreadPoolExecutor(1) as pool:  # the caller may have a running loop
        return pool.submit(asyncio.run, create()).result()


class Client:
    """One caller with one token."""

    def __init__(self, url: str, token: str | None) -> None:
        self.url = url
        self.token = token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.http = httpx.Client(base_url=url, headers=headers, timeout=60)

    @classmethod
    def of(cls, gateway: GatewayProcess, email: str, role: str = "user") -> Self:
        return cls(gateway.url, mint(gateway, email, role))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def post(self, query: str, **variables: object) -> httpx.Response:
        return self.http.post("/graphql", json={"query": query, "variables": variables})

    def ask(self, query: str, **variables: object) -> Any:
        """The data of an operation that must have no top-level error."""
        answer = self.post(query, **variables).json()
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def mutate(self, field: str, kind: str, selection: str, **input_: object) -> Any:
        """The payload of a mutation with an `input`."""
        query = f"mutation($input: {kind}!) {{ {field}(input: $input) {{ {selection} {ERRORS} }} }}"
        return self.ask(query, input=input_)[field]

    def refused(self, field: str, kind: str, selection: str, **input_: object) -> dict[str, Any]:
        """The one error of a mutation that must be refused."""
        payload = self.mutate(field, kind, selection, **input_)
        (error,) = payload.pop("userErrors")
        assert list(payload.values()) == [None], "the object is null exactly when there are errors"
        return dict(error)

    def done(self, field: str, kind: str, selection: str, **input_: object) -> Any:
        """The object of a mutation that must succeed."""
        payload = self.mutate(field, kind, selection, **input_)
        assert not payload["userErrors"], payload["userErrors"]
        return next(value for key, value in payload.items() if key != "userErrors")

    def create_user(self) -> Any:
        payload = self.ask(f"mutation {{ createUser {{ user {{ id email name folder }} {ERRORS} }} }}")["createUser"]
        assert not payload["userErrors"], payload["userErrors"]
        return payload["user"]

    def create_job(self, command: str | None = "true", **more: object) -> Any:
        values = {"name": "test", "image": "/opt/img/busybox.sif", "command": command} | more
        return self.done("createJob", "CreateJobInput", f"job {{ {JOB} }}", **values)

    def launch(self, job_id: str) -> Any:
        return self.done("launch", "JobInput", f"job {{ {JOB} }}", jobId=job_id)

    def cancel(self, job_id: str) -> Any:
        return self.done("cancel", "JobInput", f"job {{ {JOB} }}", jobId=job_id)

    def job(self, job_id: str, more: str = "") -> Any:
        return self.ask(f"query($id: ID!) {{ job(id: $id) {{ {JOB} {more} }} }}", id=job_id)["job"]

    def wait(self, job_id: str, good: Callable[[Any], bool], seconds: float = 30) -> Any:
        """The job once it is as wanted."""
        deadline = time.monotonic() + seconds
        while not good(job := self.job(job_id)):
            assert time.monotonic() < deadline, f"still {job['state']} ({job['reason']}) after {seconds} s"
            assert not job["isFinal"], f"ended {job['state']} ({job['reason']})"
            time.sleep(0.05)
        return job

    def wait_final(self, job_id: str, seconds: float = 30) -> Any:
        return self.wait(job_id, lambda job: job["isFinal"], seconds)

    def run(self, command: str, **more: object) -> Any:
        """Create, launch and wait for the end of a job."""
        job = self.create_job(command, **more)
        self.launch(job["id"])
        return self.wait_final(job["id"])

    def upload(self, job_id: str, name: str, content: bytes, path: str | None = None) -> Any:
        """The upload mutation's payload."""
        query = f"mutation($input: UploadInput!) {{ upload(input: $input) {{ file {{ path size kind }} {ERRORS} }} }}"
        variables = {"input": {"jobId": job_id, "file": None} | ({"path": path} if path is not None else {})}
        parts = {
            "operations": (None, json.dumps({"query": query, "variables": variables})),
            "map": (None, json.dumps({"0": ["variables.input.file"]})),
            "0": (name, content),
        }
        answer = self.http.post("/graphql", files=parts, headers={"Apollo-Require-Preflight": "true"}).json()
        assert "errors" not in answer, answer["errors"]
        return answer["data"]["upload"]

    def files(self, job_id: str, path: str = "") -> dict[str, Any]:
        query = (
            "query($id: ID!, $path: String) { job(id: $id) { files(path: $path) { path name kind size downloadUrl } } }"
        )
        entries = self.ask(query, id=job_id, path=path)["job"]["files"]
        return {entry["path"]: entry for entry in entries}

    def output(self, job: Any) -> str:
        """What a job wrote to Slurm's output file."""
        url = self.files(job["id"])[f"slurm-{job['slurmJobId']}.out"]["downloadUrl"]
        answer = httpx.get(url)
        assert answer.status_code == 200, answer.text
        return answer.text
