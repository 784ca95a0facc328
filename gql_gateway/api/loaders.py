"""What many objects of one answer refer to, fetched together: the same number of questions however long a list is.

Loaders gather and do not remember: a WebSocket has one context for its life, and a subscription one for all its
events, so whatever was remembered would be shown as it was and not as it is.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cached_property
from typing import Generic, NamedTuple, TypeVar

from strawberry.dataloader import DataLoader

from gql_gateway.api.filters import JobFilter
from gql_gateway.core.errors import GatewayError, job_not_found
from gql_gateway.core.identity import Identity
from gql_gateway.core.states import JobState
from gql_gateway.services.jobs import Jobs
from gql_gateway.services.tokens import ApiTokens
from gql_gateway.services.users import Users
from gql_gateway.store.events import EventPage
from gql_gateway.store.pages import Page, Part
from gql_gateway.store.tables import ApiToken, ClusterStatus, Job, User

Question = TypeVar("Question")


class Of(NamedTuple, Generic[Question]):
    """Something that is asked about one object, by its id; those who ask the same are answered together."""

    key: str
    asked: Question


class Listed(NamedTuple):
    """A page of somebody's jobs."""

    part: Part
    filter: JobFilter


class Happened(NamedTuple):
    """A page of a job's events."""

    first: int
    after: int


class Loaders:
    """One query for each kind of thing, however many are asked for at once."""

    def __init__(
        self,
        users: Users,
        jobs: Jobs,
        tokens: ApiTokens,
        statuses: Callable[[], Awaitable[Sequence[ClusterStatus]]],
        caller: Callable[[], Identity],
    ) -> None:
        self._users = users
        self._jobs = jobs
        self._tokens = tokens
        self._statuses = statuses
        self._caller = caller

    @cached_property
    def user(self) -> DataLoader[str, User]:
        """Users by id."""
        return DataLoader(self._load_users, cache=False)

    @cached_property
    def job(self) -> DataLoader[str, Job]:
        """Jobs by id."""
        return DataLoader(self._load_jobs, cache=False)

    @cached_property
    def cluster(self) -> DataLoader[str, ClusterStatus]:
        """How clusters are, by name."""
        return DataLoader(self._load_clusters, cache=False)

    @cached_property
    def tokens(self) -> DataLoader[str, list[ApiToken]]:
        """The caller's own tokens, by the caller's address."""
        return DataLoader(self._load_tokens, cache=False)

    @cached_property
    def page(self) -> DataLoader[Of[Listed], Page]:
        """Pages of jobs, by whose they are."""
        return DataLoader(self._load_pages, cache=False)

    @cached_property
    def counts(self) -> DataLoader[Of[JobFilter], Mapping[JobState, int]]:
        """Numbers of jobs in each state, by whose they are; of all that the caller sees for an empty key."""
        return DataLoader(self._load_counts, cache=False)

    @cached_property
    def events(self) -> DataLoader[Of[Happened], EventPage]:
        """Pages of events, by the job."""
        return DataLoader(self._load_events, cache=False)

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

    async def _load_tokens(self, emails: list[str]) -> list[list[ApiToken]]:
        return [await self._tokens.mine(self._caller())] * len(emails)

    async def _load_pages(self, wanted: list[Of[Listed]]) -> list[Page]:
        found = {
            asked: await self._jobs.pages(self._caller(), keys, asked.part, **asked.filter.arguments)
            for asked, keys in _together(wanted).items()
        }
        return [found[one.asked][one.key] for one in wanted]

    async def _load_counts(self, wanted: list[Of[JobFilter]]) -> list[Mapping[JobState, int]]:
        found: dict[JobFilter, Mapping[str, Mapping[JobState, int]]] = {}
        for asked, keys in _together(wanted).items():
            owners, caller = keys - {""}, self._caller()
            counts = dict(await self._jobs.counts_of(caller, owners, **asked.arguments)) if owners else {}
            if "" in keys:
                counts[""] = await self._jobs.count_by_state(caller, **asked.arguments)
            found[asked] = counts
        return [found[one.asked][one.key] for one in wanted]

    async def _load_events(self, wanted: list[Of[Happened]]) -> list[EventPage]:
        found = {
            asked: await self._jobs.events(keys, first=asked.first, after=asked.after)
            for asked, keys in _together(wanted).items()
        }
        return [found[one.asked][one.key] for one in wanted]


def _together(wanted: Sequence[Of[Question]]) -> Mapping[Question, set[str]]:
    """The objects about which the same is asked."""
    keys: dict[Question, set[str]] = {}
    for one in wanted:
        keys.setdefault(one.asked, set()).add(one.key)
    return keys


def _gone() -> GatewayError:
    """A job that was deleted while its events were read."""
    return job_not_found()
