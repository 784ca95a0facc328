"""What many objects of one answer refer to, fetched together.

Loaders gather and do not remember: a WebSocket has one context for its life, and a subscription one for all its
events, so whatever was remembered would be shown as it was and not as it is.
"""

from collections.abc import Awaitable, Callable, Sequence

from strawberry.dataloader import DataLoader

from gql_gateway.core.errors import GatewayError, job_not_found
from gql_gateway.core.identity import Identity
from gql_gateway.services.jobs import Jobs
from gql_gateway.services.users import Users
from gql_gateway.store.tables import ClusterStatus, Job, User


class Loaders:
    """One query for each kind of thing, however many are asked for at once."""

    def __init__(
        self,
        users: Users,
        jobs: Jobs,
        statuses: Callable[[], Awaitable[Sequence[ClusterStatus]]],
        caller: Callable[[], Identity],
    ) -> None:
        self._users = users
        self._jobs = jobs
        self._statuses = statuses
        self._caller = caller
        self.user: DataLoader[str, User] = DataLoader(self._load_users, cache=False)
        self.job: DataLoader[str, Job] = DataLoader(self._load_jobs, cache=False)
        self.cluster: DataLoader[str, ClusterStatus] = DataLoader(self._load_clusters, cache=False)

    async def _load_users(self, ids: list[str]) -> list[User]:
        found = await self._users.many(list(set(ids)))
        return [found[user_id] for user_id in ids]

    async def _load_jobs(self, ids: list[str]) -> list[Job | BaseException]:
        found = await self._jobs.many(self._caller(), list(set(ids)))
        return [found.get(job_id) or _gone() for job_id in ids]

    async def _load_clusters(self, names: list[str]) -> list[ClusterStatus]:
        found = {status.name: status for status in await self._statuses()}
        # A cluster that was taken out of the configuration still has jobs.
        return [found.get(name) or ClusterStatus(name=name, message="It is no longer configured.") for name in names]


def _gone() -> GatewayError:
    """A job that was deleted while its events were read."""
    return job_not_found()
