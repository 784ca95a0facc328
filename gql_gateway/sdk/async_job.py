"""One job, asynchronously: launched, watched, read, waited for; its files sent and fetched."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from os import PathLike
from pathlib import Path
from typing import Any

from gql_gateway.sdk import documents, streams
from gql_gateway.sdk.connection import Connection
from gql_gateway.sdk.errors import WaitTimeout
from gql_gateway.sdk.files import ArchiveProgress, Progress, no_such_job
from gql_gateway.sdk.folders import local_path
from gql_gateway.sdk.job_types import Archive, Deleted, FileInfo, JobChange, JobInfo, JobState, OutputChunk, Transfer
from gql_gateway.sdk.run_types import Forecast

LocalPath = str | PathLike[str]


class AsyncJob:
    """A job at a gateway.

    Progress callbacks are told of each transfer: the path in the job's folder, bytes moved, bytes in all.
    """

    def __init__(self, connection: Connection, info: JobInfo) -> None:
        self._connection = connection
        self._info = info

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.name!r} {self.state}>"

    @property
    def info(self) -> JobInfo:
        """What was last heard of it; every method that asks the gateway renews this."""
        return self._info

    @property
    def id(self) -> str:
        """The job's id, for `HpcGateway.job(id)`."""
        return self.info.id

    @property
    def name(self) -> str:
        """The name it was given."""
        return self.info.name

    @property
    def state(self) -> JobState:
        """Its state when it was last heard of."""
        return self.info.state

    # -- running ------------------------------------------------------------------------------------------------

    async def refresh(self) -> JobInfo:
        """Ask how it stands."""
        data = await self._connection.wire.execute(documents.JOB, {"id": self.id})
        return self._heard(data["job"])

    async def launch(self) -> JobInfo:
        """Submit it to Slurm. Again: no change.

        Raises:
            SubmitRefused: Slurm refuses it; `detail` has Slurm's words, and it will be refused again.
        """
        return await self._mutate(documents.LAUNCH)

    async def forecast(self) -> Forecast:
        """What Slurm would do with it now: when it would start, and where. Nothing is launched; it stays as it is.

        Raises:
            SubmitRefused: Slurm would refuse it; `detail` has Slurm's words.
            InvalidState: it was launched or cancelled before.
        """
        payload = await self._connection.wire.mutate(documents.FORECAST, {"jobId": self.id}, repeatable=True)
        self._heard(payload["job"])
        return Forecast.of(payload["forecast"])

    async def cancel(self) -> JobInfo:
        """Cancel it. Again, or after its end: no change."""
        return await self._mutate(documents.CANCEL)

    async def clone(self) -> "AsyncJob":
        """A new job with the same parameters and inputs."""
        payload = await self._connection.wire.mutate(documents.CLONE_JOB, {"jobId": self.id}, repeatable=False)
        return AsyncJob(self._connection, JobInfo.of(payload["job"]))

    async def delete(self) -> None:
        """Delete it with its folder; it must be final or never launched."""
        await self._connection.wire.mutate(documents.DELETE_JOB, {"jobId": self.id}, repeatable=False)

    async def script(self) -> str:
        """Its run.sh, word for word."""
        data = await self._connection.wire.execute(documents.SCRIPT, {"id": self.id})
        if data["job"] is None:
            raise no_such_job(self.id)
        return str(data["job"]["script"])

    # -- watching -----------------------------------------------------------------------------------------------

    async def wait(self, timeout: float | None = None) -> JobInfo:  # noqa: ASYNC109 - an argument of the twin without async, too
        """Wait until it has ended; the gateway pushes that, nobody polls. Lost connections are taken up again.

        Raises:
            WaitTimeout: it did not end within `timeout` seconds; it goes on.
        """
        try:
            return await asyncio.wait_for(self._ended(), timeout)
        except asyncio.TimeoutError:  # noqa: UP041 - two classes in Python 3.10
            raise WaitTimeout(f"Job {self.id} is {self.state} after {timeout} seconds, and goes on.") from None

    async def _ended(self) -> JobInfo:
        async with aclosing(self.watch()) as changes:
            async for _change in changes:
                pass
        return self.info

    async def watch(self, after: str | None = None) -> AsyncGenerator[JobChange, None]:
        """Its state now and each change until its end; with `after`, a change's cursor, what came behind that."""
        connection = self._connection
        async with aclosing(streams.changes(connection.wire, self.id, after, connection.patience)) as changes:
            async for change in changes:
                self._info = change.job
                yield change

    async def history(self) -> list[JobChange]:
        """Everything that happened to it, oldest first."""
        found: list[JobChange] = []
        page: dict[str, Any] = {"hasNextPage": True, "endCursor": None}
        while page["hasNextPage"]:
            variables = {"id": self.id, "first": 100, "after": page["endCursor"]}
            data = await self._connection.wire.execute(documents.EVENTS, variables)
            if data["job"] is None:
                raise no_such_job(self.id)
            found += [JobChange.of(event) for event in data["job"]["events"]["nodes"]]
            page = data["job"]["events"]["pageInfo"]
        return found

    async def output(self, path: str | None = None, offset: int = 0) -> AsyncGenerator[str, None]:
        """The text it writes, as it writes it, until its end; `path`: another text file than Slurm's output."""
        async with aclosing(self.follow(path, offset)) as chunks:
            async for chunk in chunks:
                if chunk.text:
                    yield chunk.text

    async def follow(self, path: str | None = None, offset: int = 0) -> AsyncGenerator[OutputChunk, None]:
        """As `output`, with the offsets: `next_offset` goes on behind a piece, also in another program."""
        connection = self._connection
        async with aclosing(streams.output(connection.wire, self.id, path, offset, connection.patience)) as chunks:
            async for chunk in chunks:
                yield chunk

    # -- files --------------------------------------------------------------------------------------------------

    async def files(self, path: str = "") -> list[FileInfo]:
        """The entries of its folder, or of one folder in it."""
        return await self._connection.files.entries(self.id, path)

    async def walk(self, path: str = "") -> list[FileInfo]:
        """All regular files in its folder and the folders in it."""
        return await self._connection.files.walk(self.id, path)

    async def upload(self, source: LocalPath, path: str | None = None, progress: Progress | None = None) -> Transfer:
        """Send a file, continuing after a cut; it appears whole, with the right SHA-256, or not at all."""
        local = Path(source)
        return await self._connection.files.upload(self.id, local, path or local.name, progress)

    async def upload_folder(
        self, source: LocalPath, path: str = "", progress: Progress | None = None
    ) -> list[Transfer]:
        """Send all files in a folder (empty folders are left out)."""
        return await self._connection.files.upload_folder(self.id, Path(source), path, progress)

    async def download(self, path: str, target: LocalPath | None = None, progress: Progress | None = None) -> Transfer:
        """Fetch a file, continuing after a cut; into `target`, or under its own name where you are."""
        local = local_path(Path(), path.rpartition("/")[2]) if target is None else Path(target)
        return await self._connection.files.download(self.id, path, local, progress)

    async def download_folder(
        self, target: LocalPath, path: str = "", progress: Progress | None = None
    ) -> list[Transfer]:
        """Fetch all regular files in its folder, or in one folder in it, into the folder `target`."""
        return await self._connection.files.download_folder(self.id, path, Path(target), progress)

    async def download_archive(
        self, target: LocalPath, path: str = "", progress: ArchiveProgress | None = None
    ) -> Archive:
        """Fetch its folder, or one folder in it, as one tar file; `target` ends with `.tar`.

        It appears whole or not at all, and begins again after a cut. Links and the like are left out.

        Raises:
            InvalidInput: `target` asks for another format; the gateway has no other one.
            FileNotFound, PathNotAllowed: there is no such folder.
        """
        return await self._connection.files.download_archive(self.id, path, Path(target), progress)

    async def delete_file(self, path: str) -> Deleted:
        """Delete a file, or a folder with all in it."""
        return Deleted(await self._connection.files.delete(self.id, path))

    async def _mutate(self, operation: str) -> JobInfo:
        payload = await self._connection.wire.mutate(operation, {"jobId": self.id}, repeatable=True)
        return self._heard(payload["job"])

    def _heard(self, job: dict[str, Any] | None) -> JobInfo:
        if job is None:
            raise no_such_job(self.id)
        self._info = JobInfo.of(job)
        return self._info
