"""How a cluster is: whether it answers, its Slurm, its partitions, and what its container command understands."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from gql_gateway.cluster import container, slurm, slurm_cluster
from gql_gateway.cluster.config import ClusterConfig
from gql_gateway.cluster.remote import Remote
from gql_gateway.cluster.slurm_cluster import PartitionInfo
from gql_gateway.core.errors import GatewayError, Refused

SOON = 3.0
AGAIN = 5.0


@dataclass(frozen=True, slots=True)
class ClusterReport:
    """How a cluster is. `message` says what is amiss where it is not available."""

    available: bool
    message: str | None
    slurm_version: str | None
    checked_at: datetime
    partitions: tuple[PartitionInfo, ...] = field(default=())


class Probe:
    """Asks over one lane."""

    def __init__(self, config: ClusterConfig, remote: Remote) -> None:
        self._config = config
        self._remote = remote
        self._runtime: container.Runtime | None = None
        self._waking: asyncio.Task[None] | None = None

    @property
    def runtime(self) -> container.Runtime:
        """What the container command understands; one that was not asked, or that only the preamble brings, is new."""
        return self._runtime or container.Runtime()

    async def start(self) -> None:
        """Connect; where the cluster does not answer soon, go on trying behind the scenes."""
        tried = asyncio.Event()
        self._waking = asyncio.create_task(self._wake(tried))
        with suppress(TimeoutError):
            async with asyncio.timeout(SOON):
                await tried.wait()

    async def _wake(self, tried: asyncio.Event) -> None:
        """Ask until there is an answer, and learn what scripts for this cluster may hold."""
        while not await self._answers():
            tried.set()
            await asyncio.sleep(AGAIN)
        await self._probe_container()
        tried.set()

    async def _answers(self) -> bool:
        try:
            await self._remote.call("ping", {}, seconds=self._config.connect_timeout)
        except GatewayError:
            return False
        return True

    def close(self) -> None:
        """Go on trying no longer."""
        if self._waking:
            self._waking.cancel()

    async def report(self) -> ClusterReport:
        """Ask how the cluster is; never raises because it is down."""
        version, at = None, datetime.now(UTC)
        try:
            version = slurm_cluster.read_version(await self._ask(slurm_cluster.version()))
            slurm_cluster.read_ping(await self._ask(slurm_cluster.ping()))
            partitions = slurm_cluster.read_partitions(await self._ask(slurm_cluster.sinfo()))
            await self._probe_container()
        except Refused as refused:
            problem = refused.problems[0]
            message = f"{problem.message} {problem.detail}" if problem.detail else problem.message
            return ClusterReport(available=False, message=message, slurm_version=version, checked_at=at)
        return ClusterReport(available=True, message=None, slurm_version=version, checked_at=at, partitions=partitions)

    async def _probe_container(self) -> None:
        """Learn what the container command understands, once; one that only the preamble brings is taken as new."""
        if self._runtime:
            return
        with suppress(Refused):
            answer = await self._ask(container.help_command(self._config.container))
            self._runtime = container.read_help(answer.stdout + answer.stderr)

    async def _ask(self, argv: Sequence[str]) -> slurm.Answer:
        return await self._remote.run(argv, seconds=self._config.command_timeout)
