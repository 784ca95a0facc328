"""One job: launched, watched, read, waited for; its files sent and fetched.

Generated from async_job.py by generate.py: change that and run `python gql_gateway/sdk/generate.py`.
"""

from collections.abc import Iterator

from gql_gateway.sdk.async_job import AsyncJob, LocalPath
from gql_gateway.sdk.files import ArchiveProgress, Progress
from gql_gateway.sdk.job_types import Archive, Deleted, FileInfo, JobChange, JobInfo, JobState, OutputChunk, Transfer
from gql_gateway.sdk.portal import Portal
from gql_gateway.sdk.run_types import Forecast


class Job:
    """A job at a gateway.

    Progress callbacks run in a thread of the client's own. They are told of each transfer: the path in the job's
    folder, bytes moved, bytes in all.
    """

    def __init__(self, portal: Portal, job: AsyncJob) -> None:
        self._portal = portal
        self._async = job

    def __repr__(self) -> str:
        return repr(self._async).replace("Async", "", 1)

    @property
    def info(self) -> JobInfo:
        """What was last heard of it; every method that asks the gateway renews this."""
        return self._async.info

    @property
    def id(self) -> str:
        """The job's id, for `HpcGateway.job(id)`."""
        return self._async.id

    @property
    def name(self) -> str:
        """The name it was given."""
        return self._async.name

    @property
    def state(self) -> JobState:
        """Its state when it was last heard of."""
        return self._async.state

    def refresh(self) -> JobInfo:
        """Ask how it stands."""
        return self._portal.call(self._async.refresh())

    def launch(self) -> JobInfo:
        """Submit it to Slurm. Again: no change.

        Raises:
            SubmitRefused: Slurm refuses it; `detail` has Slurm's words, and it will be refused again.
        """
        return self._portal.call(self._async.launch())

    def forecast(self) -> Forecast:
        """What Slurm would do with it now: when it would start, and where. Nothing is launched; it stays as it is.

        Raises:
            SubmitRefused: Slurm would refuse it; `detail` has Slurm's words.
            InvalidState: it was launched or cancelled before.
        """
        return self._portal.call(self._async.forecast())

    def cancel(self) -> JobInfo:
        """Cancel it. Again, or after its end: no change."""
        return self._portal.call(self._async.cancel())

    def clone(self) -> "Job":
        """A new job with the same parameters and inputs."""
        return Job(self._portal, self._portal.call(self._async.clone()))

    def delete(self) -> None:
        """Delete it with its folder; it must be final or never launched."""
        return self._portal.call(self._async.delete())

    def script(self) -> str:
        """Its run.sh, word for word."""
        return self._portal.call(self._async.script())

    def wait(self, timeout: float | None = None) -> JobInfo:
        """Wait until it has ended; the gateway pushes that, nobody polls. Lost connections are taken up again.

        Raises:
            WaitTimeout: it did not end within `timeout` seconds; it goes on.
        """
        return self._portal.call(self._async.wait(timeout))

    def watch(self, after: str | None = None) -> Iterator[JobChange]:
        """Its state now and each change until its end; with `after`, a change's cursor, what came behind that."""
        yield from self._portal.iterate(self._async.watch(after))

    def history(self) -> list[JobChange]:
        """Everything that happened to it, oldest first."""
        return self._portal.call(self._async.history())

    def output(self, path: str | None = None, offset: int = 0) -> Iterator[str]:
        """The text it writes, as it writes it, until its end; `path`: another text file than Slurm's output."""
        yield from self._portal.iterate(self._async.output(path, offset))

    def follow(self, path: str | None = None, offset: int = 0) -> Iterator[OutputChunk]:
        """As `output`, with the offsets: `next_offset` goes on behind a piece, also in another program."""
        yield from self._portal.iterate(self._async.follow(path, offset))

    def files(self, path: str = "") -> list[FileInfo]:
        """The entries of its folder, or of one folder in it."""
        return self._portal.call(self._async.files(path))

    def walk(self, path: str = "") -> list[FileInfo]:
        """All regular files in its folder and the folders in it."""
        return self._portal.call(self._async.walk(path))

    def upload(self, source: LocalPath, path: str | None = None, progress: Progress | None = None) -> Transfer:
        """Send a file, continuing after a cut; it appears whole, with the right SHA-256, or not at all."""
        return self._portal.call(self._async.upload(source, path, progress))

    def upload_folder(self, source: LocalPath, path: str = "", progress: Progress | None = None) -> list[Transfer]:
        """Send all files in a folder (empty folders are left out)."""
        return self._portal.call(self._async.upload_folder(source, path, progress))

    def download(self, path: str, target: LocalPath | None = None, progress: Progress | None = None) -> Transfer:
        """Fetch a file, continuing after a cut; into `target`, or under its own name where you are."""
        return self._portal.call(self._async.download(path, target, progress))

    def download_folder(self, target: LocalPath, path: str = "", progress: Progress | None = None) -> list[Transfer]:
        """Fetch all regular files in its folder, or in one folder in it, into the folder `target`."""
        return self._portal.call(self._async.download_folder(target, path, progress))

    def download_archive(self, target: LocalPath, path: str = "", progress: ArchiveProgress | None = None) -> Archive:
        """Fetch its folder, or one folder in it, as one tar file; `target` ends with `.tar`.

        It appears whole or not at all, and begins again after a cut. Links and the like are left out.

        Raises:
            InvalidInput: `target` asks for another format; the gateway has no other one.
            FileNotFound, PathNotAllowed: there is no such folder.
        """
        return self._portal.call(self._async.download_archive(target, path, progress))

    def delete_file(self, path: str) -> Deleted:
        """Delete a file, or a folder with all in it."""
        return self._portal.call(self._async.delete_file(path))
