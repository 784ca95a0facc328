"""The gateway, asynchronously: the nine methods of the MarketPlace's client, and what lies beyond."""

import sys
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from gql_gateway.sdk import documents, streams
from gql_gateway.sdk.arguments import job_input, label_inputs
from gql_gateway.sdk.async_job import AsyncJob, LocalPath
from gql_gateway.sdk.connection import Connection
from gql_gateway.sdk.errors import JobFailed
from gql_gateway.sdk.files import Progress, no_such_job
from gql_gateway.sdk.job_types import Deleted, JobChange, JobInfo, JobState, JobStatus, Transfer
from gql_gateway.sdk.site_types import Cluster, Heartbeat, User
from gql_gateway.sdk.wire import Token

_PAGE = 100


class AsyncHpcGateway:
    """A gateway to Slurm clusters, for one user.

    `url` and `token` may also come from GQL_GATEWAY_URL and GQL_GATEWAY_TOKEN, or from `hpc login`; `token` may be a
    function that answers with a fresh one. `patience` is how many seconds of lost connections streams and transfers
    bear, `timeout` how many seconds one answer may take. Use it in one event loop, as a context manager:

        async with AsyncHpcGateway() as gateway:
            job = await gateway.run("/opt/img/tool.sif", "tool input.txt > result.txt", upload="inputs", download="out")
    """

    def __init__(
        self, url: str | None = None, token: Token = None, *, patience: float = 600.0, timeout: float = 60.0
    ) -> None:
        self._connection = Connection(url, token, patience, timeout)

    async def __aenter__(self) -> "AsyncHpcGateway":  # noqa: PYI034 - Self begins with Python 3.11
        return self

    async def __aexit__(self, *_exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections. Jobs go on."""
        await self._connection.close()

    # -- the nine known methods ---------------------------------------------------------------------------------

    async def heartbeat(self) -> Heartbeat:
        """Whether the gateway and its clusters work. Needs no token."""
        data = await self._connection.wire.execute(documents.HEARTBEAT, repeatable=False)
        return Heartbeat.of(data["heartbeat"])

    async def create_user(self) -> User:
        """Make your folder on the cluster, once; again it answers with the same. Who you are comes from your token."""
        payload = await self._connection.wire.mutate(documents.CREATE_USER, {}, repeatable=True)
        return User.of(payload["user"])

    async def create_job(self, new_transformation: Mapping[str, Any]) -> str:
        """Create a job from names and values, and answer with its id. Nothing runs before `launch_job`.

        Takes the keys of the gateway before this one (job_name, image, executable_cmd, partition, ntasks_per_node) and
        all arguments of `new_job`.
        """
        return (await self._create(new_transformation)).id

    async def check_job_state(self, jobid: str) -> JobStatus:
        """The job's state with the evidence for it, and the files in its folder."""
        data = await self._connection.wire.execute_in_part(documents.STATUS, {"id": jobid})
        if data["job"] is None:
            raise no_such_job(jobid)
        return JobStatus.of(data["job"])

    async def upload_file(
        self, jobid: str, filename: str | None, source_path: LocalPath, progress: Progress | None = None
    ) -> Transfer:
        """Send a file; without `filename` it keeps its own name."""
        source = Path(source_path)
        return await self._connection.files.upload(jobid, source, filename or source.name, progress)

    async def download_file(
        self, jobid: str, filename: str, target_path: LocalPath | None = None, progress: Progress | None = None
    ) -> Transfer:
        """Fetch a file to `target_path`, or under its own name where you are."""
        return await (await self.job(jobid)).download(filename, target_path, progress)

    async def delete_file(self, jobid: str, filename: str) -> Deleted:
        """Delete a file, or a folder with all in it."""
        return Deleted(await self._connection.files.delete(jobid, filename))

    async def launch_job(self, jobid: str) -> JobInfo:
        """Submit the job to Slurm. Again: no change.

        Raises:
            SubmitRefused: Slurm refuses it; `detail` has Slurm's words.
        """
        return await self._mutate(documents.LAUNCH, jobid)

    async def cancel_job(self, jobid: str) -> JobInfo:
        """Cancel the job. Again, or after its end: no change."""
        return await self._mutate(documents.CANCEL, jobid)

    # -- beyond -------------------------------------------------------------------------------------------------

    async def me(self) -> User | None:
        """You; None before `create_user`."""
        data = await self._connection.wire.execute(documents.ME)
        return User.of(data["me"]) if data["me"] else None

    async def clusters(self) -> list[Cluster]:
        """The clusters of this gateway with their partitions; the first is the default one."""
        data = await self._connection.wire.execute(documents.CLUSTERS)
        return [Cluster.of(cluster) for cluster in data["clusters"]]

    async def new_job(
        self,
        name: str,
        image: str,
        command: str | None = None,
        *,
        args: Sequence[str] | None = None,
        partition: str | None = None,
        nodes: int | None = None,
        tasks_per_node: int | None = None,
        cpus_per_task: int | None = None,
        memory_per_node: int | str | None = None,
        gpus_per_node: int | None = None,
        time_limit: float | str | timedelta | None = None,
        account: str | None = None,
        qos: str | None = None,
        environment: Mapping[str, str] | None = None,
        labels: Mapping[str, str] | None = None,
        cluster: str | None = None,
        idempotency_key: str | None = None,
    ) -> AsyncJob:
        """Create a job; nothing runs before `job.launch()`.

        `command` is a line for the container's own shell, `args` are words that run without one; with neither the
        image's entry point runs. Memory in bytes or like "4G"; time in seconds or like "90m" or "1-12:00:00".
        `labels` are up to 32 keys and values to find the job by.
        """
        given = dict(locals())  # the names of the arguments are the names that `job_input` knows
        del given["self"]
        return await self._create(given)

    async def run(
        self,
        image: str,
        command: str | None = None,
        *,
        name: str | None = None,
        upload: LocalPath | None = None,
        download: LocalPath | None = None,
        check: bool = True,
        progress: Progress | None = None,
        **resources: Any,
    ) -> AsyncJob:
        """Create a job, send the folder `upload`, launch, wait, fetch everything into the folder `download`.

        Further arguments are those of `new_job`.

        Raises:
            JobFailed: it did not complete (after the download, so that its output can be read); not with `check=False`.
        """
        job = await self._create({"name": name or _name_for(image), "image": image, "command": command, **resources})
        if upload is not None:
            await job.upload_folder(upload, progress=progress)
        await job.launch()
        info = await job.wait()
        if download is not None:
            await job.download_folder(download, progress=progress)
        if check and info.state is not JobState.COMPLETED:
            raise JobFailed(f"Job {job.id} did not complete: {info.message}", info)
        return job

    async def job(self, jobid: str) -> AsyncJob:
        """The job with this id.

        Raises:
            NotFound: it is not there, or not yours.
        """
        data = await self._connection.wire.execute(documents.JOB, {"id": jobid})
        if data["job"] is None:
            raise no_such_job(jobid)
        return AsyncJob(self._connection, JobInfo.of(data["job"]))

    async def jobs(
        self,
        states: Sequence[JobState | str] | None = None,
        search: str | None = None,
        limit: int | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[AsyncJob, None]:
        """Your jobs, newest first, fetched page by page as you go.

        `search` looks in their names; of `labels` a job must have every one.
        """
        wanted: dict[str, Any] = {"search": search, "labels": label_inputs(labels or {})}
        wanted["states"] = [str(state) for state in states] if states is not None else None
        left = limit if limit is not None else sys.maxsize
        info: dict[str, Any] = {"hasNextPage": True, "endCursor": None}
        while left > 0 and info["hasNextPage"]:
            variables = {"first": min(left, _PAGE), "after": info["endCursor"], "filter": wanted}
            page = (await self._connection.wire.execute(documents.JOBS, variables))["jobs"]
            for node in page["nodes"]:
                yield AsyncJob(self._connection, JobInfo.of(node))
            left, info = left - len(page["nodes"]), page["pageInfo"]

    async def watch(self, after: str | None = None) -> AsyncGenerator[JobChange, None]:
        """Every state change of all your jobs, without end: first those that have not ended, as they stand.

        With `after`, a change's cursor: everything behind it, then what happens.
        """
        connection = self._connection
        async with aclosing(streams.changes(connection.wire, None, after, connection.patience)) as changes:
            async for change in changes:
                yield change

    async def _create(self, values: Mapping[str, Any]) -> AsyncJob:
        # The key makes sending it again after a lost answer safe: the gateway answers with the first job.
        given = {"idempotencyKey": uuid4().hex, **job_input(values)}
        payload = await self._connection.wire.mutate(documents.CREATE_JOB, given, repeatable=True)
        return AsyncJob(self._connection, JobInfo.of(payload["job"]))

    async def _mutate(self, operation: str, jobid: str) -> JobInfo:
        payload = await self._connection.wire.mutate(operation, {"jobId": jobid}, repeatable=True)
        return JobInfo.of(payload["job"])


def _name_for(image: str) -> str:
    """A name for a job that was given none: the image's own, as far as names of jobs allow it."""
    plain = image.rpartition("/")[2].partition(":")[0].removesuffix(".sif")
    return "".join(char if char.isascii() and char.isalnum() else "-" for char in plain).strip("-")[:64] or "job"
