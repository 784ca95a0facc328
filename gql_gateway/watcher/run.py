"""Who watches a cluster, and what is done for it as a whole: how it is, what was left half done, old records."""

import asyncio
from contextlib import suppress
from dataclasses import asdict

from gql_gateway.cluster.cluster import ClusterReport
from gql_gateway.cluster.clusters import Clusters
from gql_gateway.core.accounts import cluster_of
from gql_gateway.core.ids import new_id
from gql_gateway.store import accounts
from gql_gateway.store import clusters as cluster_rows
from gql_gateway.store.database import Database
from gql_gateway.store.tables import ClusterStatus
from gql_gateway.watcher.accounts import AccountRounds
from gql_gateway.watcher.lead import Leadership
from gql_gateway.watcher.pace import Pace
from gql_gateway.watcher.rounds import Rounds, for_ever
from gql_gateway.watcher.rounds import WatcherOptions as WatcherOptions
from gql_gateway.watcher.submit import Submitter
from gql_gateway.watcher.sweep import Sweeper, prune

AWAY_SECONDS = 5.0
"""How often a cluster that is away is asked whether it is back."""


class ClusterWatch:
    """Everything that is done, by the process that leads, for one cluster with all the accounts on it."""

    def __init__(self, database: Database, name: str, clusters: Clusters, holder: str, options: WatcherOptions) -> None:
        self._database = database
        self._name = name
        self._clusters = clusters
        self._options = options
        self._leadership = Leadership(database, name, holder, options.lease_seconds)
        self._pace = Pace(options.submit_rate)
        self._trouble = asyncio.Event()
        self._rounds = self._rounds_of(name)
        self._accounts = AccountRounds(database, name, self._rounds_of) if clusters.has_accounts(name) else None

    @property
    def reconciled(self) -> bool:
        """Whether this process has compared the store with Slurm since it started, or another one watches."""
        return self._rounds.compared or self._leadership.another_leads.is_set()

    def submitter(self, key: str) -> Submitter | None:
        """Who submits for the cluster, or for an account on it; None while there is nobody yet."""
        rounds = self._rounds if key == self._name else self._accounts and self._accounts.of(key)
        return rounds.submitter if rounds else None

    async def run(self) -> None:
        """Watch for ever, whenever this process leads."""
        await self._leadership.while_leading(self._lead)

    async def _lead(self) -> None:
        steps = [self._ask_status, self._sweep, *([self._accounts.run] if self._accounts else [])]
        async with asyncio.TaskGroup() as group:
            group.create_task(self._rounds.run())
            for step in steps:
                group.create_task(for_ever(step, cluster=self._name))

    def _rounds_of(self, key: str) -> Rounds:
        cluster, leads = self._clusters[key], self._leadership.holds
        return Rounds(self._database, cluster, self._options, leads, self._pace, self._trouble)

    async def _ask_status(self) -> None:
        was_available = False
        while True:
            self._trouble.clear()
            report = await self._clusters[self._name].probe()
            async with self._database.transaction() as session:
                await cluster_rows.put(session, _status(self._name, report))
            if report.available and not was_available:
                self._resume()
            was_available = report.available
            with suppress(TimeoutError):
                async with asyncio.timeout(self._options.status_seconds if report.available else AWAY_SECONDS):
                    await self._trouble.wait()
                    await asyncio.sleep(1.0)  # a burst of failures is one reason to ask

    def _resume(self) -> None:
        """The cluster is back: nobody needs to wait any longer before trying again."""
        self._rounds.resume()
        if self._accounts:
            self._accounts.resume()
        self._database.signal.ring()

    async def _sweep(self) -> None:
        while True:
            for key in await self._keys():
                await Sweeper(self._database, self._clusters[key]).sweep()
            await prune(self._database, self._options.event_retention, self._options.audit_retention)
            await asyncio.sleep(self._options.sweep_seconds)

    async def _keys(self) -> list[str]:
        """The cluster, and every account that ever had a job on it."""
        if self._accounts is None:
            return [self._name]
        async with self._database.reading() as session:
            return [self._name, *await accounts.used(session, self._name)]


def _status(name: str, report: ClusterReport) -> ClusterStatus:
    return ClusterStatus(
        name=name,
        available=report.available,
        message=report.message,
        slurm_version=report.slurm_version,
        checked_at=report.checked_at,
        partitions=[asdict(partition) for partition in report.partitions],
    )


class Watcher:
    """Watches every cluster of this gateway; any number of processes may each have one on the same store."""

    def __init__(self, database: Database, clusters: Clusters, options: WatcherOptions) -> None:
        holder = new_id()
        self._watches = {name: ClusterWatch(database, name, clusters, holder, options) for name in clusters}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin; returns at once, also where no cluster can be reached."""
        self._tasks = [asyncio.create_task(watch.run()) for watch in self._watches.values()]

    async def close(self) -> None:
        """Stop and give the leases back."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def submitter(self, key: str) -> Submitter | None:
        """Who submits, where this process leads, for a cluster or an account on it; None while there is nobody."""
        watch = self._watches.get(cluster_of(key))
        return watch.submitter(key) if watch else None

    def reconciled(self, cluster: str) -> bool:
        """Whether the first comparison with Slurm since the start is done, here or by the process that leads."""
        return self._watches[cluster].reconciled
