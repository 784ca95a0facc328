"""The day itself, from createUser to deleteFile; each step is checked for what it must bring."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from typing import Any

import httpx
from gql import Client, FileVar, GraphQLRequest
from gql.client import AsyncClientSession, ReconnectingAsyncClientSession
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport

from demo import operations
from demo.show import live, must, step

NUMBERS = "42\n7\n1999\n16\n3\n"
COMMAND = """echo "working in $(pwd) on $SLURM_CPUS_PER_TASK processors"
for part in 1 2 3; do echo "part $part of 3"; sleep 0.5; done
sort -n numbers.txt > sorted.txt
echo "sorted $(wc -l < sorted.txt) numbers"
"""


class Day:
    """A scientist with a token, an HTTP session and a WebSocket session."""

    def __init__(self, url: str, token: str, image: str) -> None:
        self._url = url
        self._authorization = f"Bearer {token}"
        self._image = image
        self._http: AsyncClientSession | ReconnectingAsyncClientSession
        self._socket: AsyncClientSession | ReconnectingAsyncClientSession

    async def live(self) -> None:
        """Go through the whole day.

        Raises:
            StepFailed: a step did not bring what it must.
        """
        async with self._sessions():
            await self._arrive()
            job = await self._prepare()
            await self._run(job)
            await self._download(job)
            await self._change_of_mind()
            await self._tidy_up(job)

    @asynccontextmanager
    async def _sessions(self) -> AsyncIterator[None]:
        headers = {"Authorization": self._authorization}
        http = HTTPXAsyncTransport(f"{self._url}/graphql", headers=headers | {"Apollo-Require-Preflight": "true"})
        socket = WebsocketsTransport(f"{self._url.replace('http', 'ws', 1)}/graphql", init_payload=headers)
        async with (
            Client(transport=http) as self._http,
            Client(transport=socket) as self._socket,
        ):
            yield

    async def _ask(self, document: GraphQLRequest, field: str, **input_: object) -> dict[str, Any]:
        """Run a mutation; its payload, which must be without errors."""
        request = GraphQLRequest(document, variable_values={"input": input_} if input_ else {})
        answer = await self._http.execute(request, upload_files="file" in input_)
        payload: dict[str, Any] = answer[field]
        must(not payload["userErrors"], f"{field}: {payload['userErrors']}")
        return payload

    async def _arrive(self) -> None:
        with step("heartbeat") as shown:
            beat = (await self._http.execute(operations.HEARTBEAT))["heartbeat"]
            must(beat["ok"] and all(one["available"] for one in beat["clusters"]), f"not all is well: {beat}")
            shown.append(f"version {beat['version']}, cluster {beat['clusters'][0]['name']} is available")
        with step("createUser") as shown:
            user = (await self._ask(operations.CREATE_USER, "createUser"))["user"]
            shown.append(f"{user['email']} has the folder {user['folder']}")

    async def _prepare(self) -> str:
        with step("createJob") as shown:
            job = await self._create("sort-numbers", COMMAND)
            must(job["state"] == "CREATED", f"the job is {job['state']}")
            shown += [f"{job['id']} in {job['folder']}", f"run.sh is sealed: SHA-256 {job['scriptSha256'][:16]}…"]
        with step("upload numbers.txt") as shown:
            content = FileVar(BytesIO(NUMBERS.encode()), filename="numbers.txt")
            file = (await self._ask(operations.UPLOAD, "upload", jobId=job["id"], file=content))["file"]
            must(file["size"] == len(NUMBERS), f"{file['size']} bytes arrived, not {len(NUMBERS)}")
            shown.append(f"{file['path']}, {file['size']} bytes")
        return str(job["id"])

    async def _create(self, name: str, command: str) -> dict[str, Any]:
        resources = {"partition": "debug", "cpusPerTask": 2, "memoryPerNode": 256 * 2**20, "timeLimitSeconds": 300}
        payload = await self._ask(
            operations.CREATE_JOB, "createJob", name=name, image=self._image, command=command, resources=resources
        )
        job: dict[str, Any] = payload["job"]
        return job

    async def _run(self, job: str) -> None:
        with step("launch, with live state changes and live output by subscription") as shown:
            states, output, launched = await asyncio.gather(
                self._watch_states(job), self._watch_output(job), self._ask(operations.LAUNCH, "launch", jobId=job)
            )
            must(states[-1] == "COMPLETED", f"the job ended {states[-1]}")
            must("sorted 5 numbers" in output, f"the output is {output!r}")
            shown += [f"Slurm job {launched['job']['slurmJobId']}: {' → '.join(states)}"]

    async def _watch_states(self, job: str) -> list[str]:
        states = []
        async for answer in self._follow(operations.STATES, job):
            event = answer["jobStateChanged"]
            states.append(event["state"])
            live(f"{event['at'][11:23]} {event['state']}")
        return states

    async def _watch_output(self, job: str) -> str:
        text = ""
        async for answer in self._follow(operations.OUTPUT, job):
            text += answer["jobOutput"]["text"]
            live(answer["jobOutput"]["text"])
        return text

    async def _follow(self, document: GraphQLRequest, job: str) -> AsyncIterator[dict[str, Any]]:
        async for answer in self._socket.subscribe(GraphQLRequest(document, variable_values={"jobId": job})):
            yield answer

    async def _files(self, job: str) -> list[dict[str, Any]]:
        answer = await self._http.execute(GraphQLRequest(operations.FILES, variable_values={"id": job}))
        files: list[dict[str, Any]] = answer["job"]["files"]
        return files

    async def _download(self, job: str) -> None:
        with step("download sorted.txt") as shown:
            files = await self._files(job)
            url = next(file["downloadUrl"] for file in files if file["path"] == "sorted.txt")
            async with httpx.AsyncClient() as client:
                answer = await client.get(url)
            must(answer.status_code == 200, f"the download answered {answer.status_code}")
            expected = "".join(sorted(NUMBERS.splitlines(keepends=True), key=int))
            must(answer.text == expected, f"the file holds {answer.text!r}")
            shown += [f"files: {', '.join(file['path'] for file in files)}", f"sorted.txt: {answer.text.split()}"]

    async def _change_of_mind(self) -> None:
        with step("cancel a second job") as shown:
            job = await self._create("too-long", "sleep 600")
            launched = await self._ask(operations.LAUNCH, "launch", jobId=job["id"])
            cancelled = (await self._ask(operations.CANCEL, "cancel", jobId=job["id"]))["job"]
            must(cancelled["state"] == "CANCELLED", f"the job is {cancelled['state']}")
            shown.append(f"{launched['job']['state']} → {cancelled['state']}: {cancelled['reason']}")

    async def _tidy_up(self, job: str) -> None:
        with step("deleteFile numbers.txt") as shown:
            deleted = await self._ask(operations.DELETE_FILE, "deleteFile", jobId=job, path="numbers.txt")
            left = [file["path"] for file in await self._files(job)]
            must("numbers.txt" not in left, "the file is still listed")
            shown.append(f"{deleted['deletedPath']} is gone; left: {', '.join(left)}")
