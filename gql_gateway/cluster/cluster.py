"""The face of one cluster: Slurm, files and what happens there, for the floors above."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from datetime import UTC, datetime

from gql_gateway.cluster import script, slurm, slurm_usage
from gql_gateway.cluster.bulk import Bulk
from gql_gateway.cluster.config import ClusterConfig as ClusterConfig
from gql_gateway.cluster.door import Door, Host
from gql_gateway.cluster.files import Checksum as Checksum
from gql_gateway.cluster.files import Download as Download
from gql_gateway.cluster.files import EndRecord as EndRecord
from gql_gateway.cluster.files import FileEntry as FileEntry
from gql_gateway.cluster.files import Files, parts_of
from gql_gateway.cluster.follows import Follows
from gql_gateway.cluster.journal import Observer
from gql_gateway.cluster.parts import Parts
from gql_gateway.cluster.probe import ClusterReport as ClusterReport
from gql_gateway.cluster.probe import Probe
from gql_gateway.cluster.remote import Remote
from gql_gateway.cluster.ssh import Lane
from gql_gateway.cluster.transfers import Transfers
from gql_gateway.core.errors import Refused
from gql_gateway.core.paths import JobPath, parse
from gql_gateway.core.spec import JobSpec
from gql_gateway.core.states import Observation
from gql_gateway.core.usage import Forecast


def _observe_nothing(_cluster: str, _operation: str, _seconds: float, _outcome: str) -> None:
    pass


class Cluster:
    """One cluster. Every method may raise ClusterUnavailable (nothing was done) and ClusterTimeout (outcome unknown).

    `host` and `probe` are those of the same cluster as another account uses it (see `through`).

    Methods on files take a job's folder relative to the root, and raise Refused with FILE_NOT_FOUND, PATH_NOT_ALLOWED
    (a link, FIFO, device or socket on the way), FILE_EXISTS, FILE_TOO_LARGE and LIMIT_EXCEEDED (no room).
    """

    def __init__(
        self,
        config: ClusterConfig,
        observe: Observer = _observe_nothing,
        *,
        host: Host | None = None,
        probe: Probe | None = None,
    ) -> None:
        self.config = config
        self._door = door = Door(host or Host())
        self._control = Remote(Lane(config, "control", door), config, observe)
        self._polling = Remote(Lane(config, "polling", door), config, observe)
        self._lanes = [Lane(config, f"bulk-{number}", door) for number in range(1, config.bulk_connections + 1)]
        self._parts: list[Remote | Lane] = [self._control, self._polling, *self._lanes]
        bulk = Bulk(config, self._lanes)
        self._files = Files(config, self._control)
        self._transfers = Transfers(config, self._control, bulk, observe)
        self.parts = Parts(config, self._control, bulk, observe)
        self._follows = Follows(config, self._polling)
        self._probe = probe or Probe(config, self._control)

    @property
    def name(self) -> str:
        """The cluster's name in the gateway."""
        return self.config.name

    def through(self, config: ClusterConfig, observe: Observer) -> "Cluster":
        """The same cluster through another account: one host to connect to, and one container command."""
        return Cluster(config, observe, host=self._door.host, probe=self._probe)

    async def start(self) -> None:
        """Connect; where the cluster does not answer soon, go on trying behind the scenes."""
        await self._probe.start()

    @property
    def idle(self) -> float:
        """Seconds since when nothing is under way; 0 while something is."""
        return min(part.use.idle for part in self._parts)

    async def rest(self) -> None:
        """Close the connections that are not in use; each is made again when it is."""
        await asyncio.gather(*(part.rest() for part in self._parts))

    async def close(self) -> None:
        """Close every connection; what runs there ends."""
        self._door.shut()
        self._probe.close()
        await self._follows.close()
        await asyncio.gather(*(part.close() for part in self._parts))

    async def probe(self) -> ClusterReport:
        """Ask how the cluster is; never raises because it is down."""
        return await self._probe.report()

    async def uid_of(self, account: str) -> int | None:
        """The number of an account on the cluster; None where there is no such account."""
        return await self._files.uid_of(account)

    def render_script(self, job_id: str, folder: str, spec: JobSpec) -> str:
        """The text of a job's run.sh."""
        config = self.config
        return script.render(
            script.ScriptInput(
                job_id=job_id,
                root=config.root,
                folder=folder,
                spec=spec,
                command=config.container,
                preamble=config.preamble,
                network=config.network,
                runtime=self._probe.runtime,
            )
        )

    # -- Slurm --------------------------------------------------------------------------------------------------

    async def expect_submission(self, job_id: str) -> None:
        """Have sbatch load, since `submit` may follow: of its 5.5 ms it takes 2.5 before it reads the script."""
        await self._control.start(slurm.sbatch(job_id))

    async def submit(self, job_id: str, script: str) -> str:
        """Submit a script once; its Slurm id.

        Raises:
            SubmitRefused: final, with Slurm's words.
            ClusterUnavailable: surely not submitted.
            ClusterTimeout: it may have been; look for it before any second try.
        """
        argv, enough = slurm.sbatch(job_id), slurm.SUBMITTED
        return slurm.read_submission(
            await self._control.run(argv, seconds=self.config.submit_timeout, again=False, text=script, enough=enough)
        )

    async def forecast(self, job_id: str, script: str) -> Forecast:
        """What Slurm would do with a script now; submits nothing.

        Raises:
            SubmitRefused: it would not take it, with its words.
        """
        argv = slurm_usage.sbatch_test(job_id)
        return slurm_usage.read_forecast(
            await self._control.run(argv, seconds=self.config.command_timeout, text=script)
        )

    async def used_by(self, job_ids: Sequence[str]) -> slurm_usage.Known | None:
        """What ended jobs used, at most a hundred; those that accounting does not know yet are left out."""
        return slurm_usage.read_usage(await self._poll(slurm_usage.sacct_usage(job_ids, datetime.now(UTC))))

    async def queue(self) -> list[Observation]:
        """Every job of ours that Slurm lists now. No valid answer raises: an empty list is an empty queue."""
        return slurm.read_queue(await self._poll(slurm.squeue()), datetime.now(UTC))

    async def accounting(self, job_ids: Sequence[str]) -> list[Observation] | None:
        """What accounting knows of these jobs; None where the site keeps no accounts."""
        seen: list[Observation] = []
        for argv in slurm.sacct(job_ids, datetime.now(UTC)):
            found = slurm.read_accounting(await self._poll(argv), datetime.now(UTC))
            if found is None:
                return None
            seen += found
        return seen

    async def find(self, job_id: str) -> list[Observation]:
        """Everything that squeue and sacct know under a job's name, to settle an sbatch of unknown outcome."""
        listed = slurm.read_queue(await self._poll(slurm.squeue_by_name(job_id)), datetime.now(UTC))
        known = {seen.slurm_job_id for seen in listed}
        try:
            accounted = await self.accounting([job_id]) or []
        except Refused:
            if not listed:
                raise
            return listed
        return listed + [seen for seen in accounted if seen.slurm_job_id not in known]

    async def cancel(self, slurm_job_id: str, *, only_waiting: bool = False) -> None:
        """Ask Slurm to cancel a job, with `only_waiting` one that has not started.

        That it took the request means nothing, its state will tell.
        """
        slurm.read_cancel(await self._ask(slurm.scancel(slurm_job_id, only_waiting=only_waiting)))

    async def _ask(self, argv: Sequence[str]) -> slurm.Answer:
        return await self._control.run(argv, seconds=self.config.command_timeout)

    async def _poll(self, argv: Sequence[str]) -> slurm.Answer:
        return await self._polling.run(argv, seconds=self.config.command_timeout)

    # -- what happens there -------------------------------------------------------------------------------------

    async def end_records(self, folders: Sequence[str]) -> dict[str, EndRecord]:
        """The end records there are, by job's folder."""
        return await self._files.end_records(folders)

    def notices(self) -> AsyncIterator[str]:
        """Lines that jobs append when they start and end; hints only. Reconnects by itself, for ever."""
        return self._follows.notices()

    async def script_intact(self, folder: str, sha256: str) -> bool:
        """Whether a job's run.sh is there and still holds the text that was sealed."""
        return await self._files.script_intact(folder, sha256)

    # -- files --------------------------------------------------------------------------------------------------

    async def make_root(self) -> None:
        """Make the root folder where it is not there; the folder above it is."""
        await self._files.make_root()

    async def make_user_folder(self, name: str) -> None:
        """Make a user's folder; one that is there stays."""
        await self._files.make_folder(name)

    async def prepare_job(self, folder: str, script: str) -> None:
        """Make a job's folder with its sealed run.sh; again with the same text: no change."""
        await self._files.prepare(folder, script)

    async def remove_job(self, folder: str) -> None:
        """Remove a job's folder with all it holds; one that is gone is no error."""
        await self._files.remove(folder)

    async def copy_inputs(self, from_folder: str, to_folder: str, paths: Sequence[str], *, limit: int) -> list[str]:
        """Copy files between two jobs, at most `limit` bytes together; the paths of those that were there."""
        copied = await self._transfers.copy(from_folder, to_folder, [parse(path) for path in paths], limit)
        return [str(path) for path in copied]

    async def usage(self, folder: str, seconds: float) -> int:
        """Bytes on disk of a folder relative to the root with all it holds, as far as they are seen in that time."""
        return await self._files.usage(folder, seconds)

    async def stat(self, folder: str, path: JobPath) -> FileEntry:
        """One entry; of a link the link itself."""
        return await self._files.entry(folder, path)

    async def upload(
        self,
        folder: str,
        path: JobPath,
        chunks: AsyncIterator[bytes],
        *,
        limit: int | None = None,
        overwrite: bool = True,
    ) -> FileEntry:
        """Write a file from a stream, whole or not at all, making folders on the way."""
        return await self._transfers.upload(folder, path, chunks, limit=limit, overwrite=overwrite)

    def download(
        self, folder: str, path: JobPath, offset: int = 0, length: int | None = None
    ) -> AbstractAsyncContextManager[Download]:
        """Open a regular file: `async with cluster.download(…) as download: async for chunk in download.chunks`."""
        return self._transfers.download(folder, path, offset=offset, length=length)

    def archive(
        self, folder: str, path: JobPath, *, name: str, own: Sequence[str] = ()
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """Open a folder as a tar stream, everything below `name`, with `own` files of the job: bytes, or an error."""
        return self._transfers.archive(folder, path, name=name, own=own)

    async def checksum(self, folder: str, path: JobPath) -> Checksum:
        """SHA-256 of a regular file."""
        return await self._transfers.checksum(folder, path)

    async def delete(self, folder: str, path: JobPath, recursive: bool = True) -> None:
        """Delete an entry; a folder with what it holds, a link and never what it points to."""
        await self._files.delete(folder, path, recursive=recursive)

    async def follow(
        self, folder: str, path: JobPath, offset: int = 0, until: asyncio.Event | None = None
    ) -> AsyncGenerator[tuple[int, bytes]]:
        """A file as it grows: the offset of the first byte, and bytes. Waits for a file that is not there.

        Once `until` is set, what is there still comes, and then the end; FILE_NOT_FOUND where no file ever came.
        A file that is replaced or cut begins again at 0.
        """
        async with aclosing(self._follows.follow((*parts_of(folder), *path.on_disk), offset, until)) as parts:
            async for part in parts:
                yield part

    async def list(self, folder: str, path: JobPath) -> list[FileEntry]:
        """Entries of a folder by name, protected files of the job among those at the top."""
        return await self._files.entries(folder, path)
