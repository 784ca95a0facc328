"""Every cluster of a gateway by its name, and by keys such as `local@alice` as users' own accounts use it.

What an account uses is made when it is first asked for. Its connections are closed when nothing was under way for a
while; what then remains is a few kilobytes, and connects again when it is used.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gql_gateway.cluster.cluster import Cluster
from gql_gateway.cluster.config import ClusterConfig
from gql_gateway.cluster.journal import Observer
from gql_gateway.core.accounts import account_of, cluster_of, key_of
from gql_gateway.core.errors import ClusterUnavailable

IDLE_SECONDS = 120.0
LOOK_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class AccountLogin:
    """How the gateway logs in as a user's account on a cluster: in both texts `{account}` stands for its name."""

    private_key: str
    root: str

    def config(self, shared: ClusterConfig, account: str) -> ClusterConfig:
        """The cluster as this account uses it.

        Raises:
            ValueError: a name that no account has.
        """
        return replace(
            shared,
            name=key_of(shared.name, account),
            username=account,
            private_key=Path(self.private_key.replace("{account}", account)),
            root=self.root.replace("{account}", account),
        )


class Clusters(Mapping[str, Cluster]):
    """Iterating gives the clusters themselves, in the order of the configuration; `[…]` takes keys of accounts too."""

    def __init__(self, configs: Sequence[ClusterConfig], observe: Observer, logins: Mapping[str, AccountLogin]) -> None:
        self._observe = observe
        self._logins = logins
        self._clusters = {config.name: Cluster(config, observe) for config in configs}
        self._through: dict[str, Cluster] = {}
        self._resting: asyncio.Task[None] | None = None

    def __getitem__(self, key: str) -> Cluster:
        """A cluster, as itself or through an account.

        Raises:
            ClusterUnavailable: it is no longer configured, or no longer with accounts.
        """
        found = self._clusters.get(key) or self._through.get(key)
        if found is None:
            found = self._through[key] = self._made(key)
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._clusters)

    def __len__(self) -> int:
        return len(self._clusters)

    def __contains__(self, name: object) -> bool:
        return name in self._clusters

    def has_accounts(self, name: str) -> bool:
        """Whether users have accounts of their own on a cluster."""
        return name in self._logins

    async def start(self) -> None:
        """Connect to every cluster; one that is away keeps nothing from starting."""
        self._resting = asyncio.create_task(self._rest())
        await asyncio.gather(*(cluster.start() for cluster in self._clusters.values()))

    async def close(self) -> None:
        """Close every connection."""
        if self._resting:
            self._resting.cancel()
        await asyncio.gather(*(cluster.close() for cluster in (*self._through.values(), *self._clusters.values())))

    async def _rest(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            idle = [cluster for cluster in self._through.values() if cluster.idle > IDLE_SECONDS]
            await asyncio.gather(*(cluster.rest() for cluster in idle), return_exceptions=True)

    def _made(self, key: str) -> Cluster:
        name, account = cluster_of(key), account_of(key)
        shared, login = self._clusters.get(name), self._logins.get(name)
        if shared is None:
            raise ClusterUnavailable(f"The cluster {name} is no longer configured.")
        if account is None or login is None:
            raise ClusterUnavailable(f"The cluster {name} is no longer configured with accounts of users.")
        return shared.through(login.config(shared.config, account), self._as_one)

    def _as_one(self, key: str, operation: str, seconds: float, outcome: str) -> None:
        """Tell of every account as of its cluster: there may be thousands."""
        self._observe(cluster_of(key), operation, seconds, outcome)
