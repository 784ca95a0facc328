"""The gateway: the nine methods of the MarketPlace's client, and what lies beyond.

Generated from async_gateway.py by generate.py: change that and run `python gql_gateway/sdk/generate.py`.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from gql_gateway.sdk.async_gateway import AsyncHpcGateway
from gql_gateway.sdk.async_job import LocalPath
from gql_gateway.sdk.files import Progress
from gql_gateway.sdk.job import Job
from gql_gateway.sdk.job_types import Deleted, JobChange, JobInfo, JobState, JobStatus, Transfer
from gql_gateway.sdk.portal import Portal
from gql_gateway.sdk.site_types import Cluster, Heartbeat, User
from gql_gateway.sdk.wire import Token


class HpcGateway:
    """A gateway to Slurm clusters, for one user.

    `url` and `token` may also come from GQL_GATEWAY_URL and GQL_GATEWAY_TOKEN, or from `hpc login`; `token` may be a
    function that answers with a fresh one. `patience` is how many seconds of lost connections streams and transfers
    bear, `timeout` how many seconds one answer may take. Any thread may use it, also where an event loop runs already
    (a notebook). Use it as a context manager:

        with HpcGateway() as gateway:
            job = gateway.run("/opt/img/tool.sif", "tool input.txt > result.txt", upload="inputs", download="out")
    """

    def __init__(
        self, url: str | None = None, token: Token = None, *, patience: float = 600.0, timeout: float = 60.0
    ) -> None:
        self._async = AsyncHpcGateway(url, token, patience=patience, timeout=timeout)
        self._portal = Portal()

    def __enter__(self) -> "HpcGateway":  # noqa: PYI034 - Self begins with Python 3.11
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections. Jobs go on."""
        if self._portal.close.alive:
            self._portal.call(self._async.close())
            self._portal.close()

    def heartbeat(self) -> Heartbeat:
        """Whether the gateway and its clusters work. Needs no token."""
        return self._portal.call(self._async.heartbeat())

    def create_user(self) -> User:
        """Make your folder on the cluster, once; again it answers with the same. Who you are comes from your token."""
        return self._portal.call(self._async.create_user())

    def create_job(self, new_transformation: Mapping[str, Any]) -> str:
        """Create a job from names and values, and answer with its id. Nothing runs before `launch_job`.

        Takes the keys of the gateway before this one (job_name, image, executable_cmd, partition, ntasks_per_node) and
        all arguments of `new_job`.
        """
        return self._portal.call(self._async.create_job(new_transformation))

    def check_job_state(self, jobid: str) -> JobStatus:
        """The job's state with the evidence for it, and the files in its folder."""
        return self._portal.call(self._async.check_job_state(jobid))

    def upload_file(
        self, jobid: str, filename: str | None, source_path: LocalPath, progress: Progress | None = None
    ) -> Transfer:
        """Send a file; without `filename` it keeps its own name."""
        return self._portal.call(self._async.upload_file(jobid, filename, source_path, progress))

    def download_file(
        self, jobid: str, filename: str, target_path: LocalPath | None = None, progress: Progress | None = None
    ) -> Transfer:
        """Fetch a file to `target_path`, or under its own name where you are."""
        return self._portal.call(self._async.download_file(jobid, filename, target_path, progress))

    def delete_file(self, jobid: str, filename: str) -> Deleted:
        """Delete a file, or a folder with all in it."""
        return self._portal.call(self._async.delete_file(jobid, filename))

    def launch_job(self, jobid: str) -> JobInfo:
        """Submit the job to Slurm. Again: no change.

        Raises:
            SubmitRefused: Slurm refuses it; `detail` has Slurm's words.
        """
        return self._portal.call(self._async.launch_job(jobid))

    def cancel_job(self, jobid: str) -> JobInfo:
        """Cancel the job. Again, or after its end: no change."""
        return self._portal.call(self._async.cancel_job(jobid))

    def me(self) -> User | None:
        """You; None before `create_user`."""
        return self._portal.call(self._async.me())

    def clusters(self) -> list[Cluster]:
        """The clusters of this gateway with their partitions; the first is the default one."""
        return self._portal.call(self._async.clusters())

    def new_job(
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
    ) -> Job:
        """Create a job; nothing runs before `job.launch()`.

        `command` is a line for the container's own shell, `args` are words that run without one; with neither the
        image's entry point runs. Memory in bytes or like "4G"; time in seconds or like "90m" or "1-12:00:00".
        `labels` are up to 32 keys and values to find the job by.
        """
        given = dict(locals())
        del given["self"]
        return Job(self._portal, self._portal.call(self._async.new_job(**given)))

    def run(
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
    ) -> Job:
        """Create a job, send the folder `upload`, launch, wait, fetch everything into the folder `download`.

        Further arguments are those of `new_job`.

        Raises:
            JobFailed: it did not complete (after the download, so that its output can be read); not with `check=False`.
        """
        return Job(
            self._portal,
            self._portal.call(
                self._async.run(
                    image,
                    command,
                    name=name,
                    upload=upload,
                    download=download,
                    check=check,
                    progress=progress,
                    **resources,
                )
            ),
        )

    def job(self, jobid: str) -> Job:
        """The job with this id.

        Raises:
            NotFound: it is not there, or not yours.
        """
        return Job(self._portal, self._portal.call(self._async.job(jobid)))

    def jobs(
        self,
        states: Sequence[JobState | str] | None = None,
        search: str | None = None,
        limit: int | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Iterator[Job]:
        """Your jobs, newest first, fetched page by page as you go.

        `search` looks in their names; of `labels` a job must have every one.
        """
        for item in self._portal.iterate(self._async.jobs(states, search, limit, labels)):
            yield Job(self._portal, item)

    def watch(self, after: str | None = None) -> Iterator[JobChange]:
        """Every state change of all your jobs, without end: first those that have not ended, as they stand.

        With `after`, a change's cursor: everything behind it, then what happens.
        """
        yield from self._portal.iterate(self._async.watch(after))
