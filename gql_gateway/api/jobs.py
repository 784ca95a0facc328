"""Users, their jobs, and what happened to them: they refer to each other, so they stand together.

What refers to none of them stands in files of its own, which a job inherits: api/job_facts.py, api/job_files.py.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import strawberry

from gql_gateway.api.clusters import Cluster
from gql_gateway.api.context import Info
from gql_gateway.api.enums import JobState, Source
from gql_gateway.api.fields import columns_of, read, resolved
from gql_gateway.api.filters import Filter, JobFilter, OrderBy, cursor_of, job_filter, place
from gql_gateway.api.job_facts import JobFacts
from gql_gateway.api.job_files import JobFiles
from gql_gateway.api.limits import PAGE_SIZE
from gql_gateway.api.loaders import Happened, Listed, Of
from gql_gateway.api.nodes import Node, id_of
from gql_gateway.api.paging import After, Before, First, Last, PageInfo, Window, given, page_size, window
from gql_gateway.api.resources import JobStateCount
from gql_gateway.api.tokens import Token
from gql_gateway.core.accounts import cluster_of
from gql_gateway.services.changes import parse_cursor
from gql_gateway.store.events import LoggedEvent
from gql_gateway.store.pages import Page, Part
from gql_gateway.store.tables import User as UserRow

States = Annotated[list[JobState] | None, strawberry.argument(description="Only jobs in one of these states.")]


@strawberry.type(description="A person or a program that uses this gateway, with a folder on the cluster.")
class User(Node):
    id: strawberry.ID = id_of("user")
    email: str = read("row.email", "E-mail address, which tells users apart.")
    name: str = read("row.name", "Name for people to read.")
    created_at: datetime = read("row.created_at", "When the user came here first.")
    row: strawberry.Private[UserRow]

    @resolved(
        "Absolute path of the user's folder on the default cluster, or on the first one where they have an account; "
        "empty where they have none."
    )
    def folder(self, info: Info) -> str:
        """The path of the folder whose name the row has."""
        return info.context.services.users.path(self.row)

    @resolved("Your API tokens that work, newest first; empty for other users, also to administrators.")
    async def tokens(self, info: Info) -> list[Token]:
        """The caller's own tokens."""
        if self.row.email != info.context.caller.email:
            return []
        return [Token.of(row) for row in await info.context.loaders.tokens.load(self.row.email)]

    @resolved("The user's jobs, newest first.")
    async def jobs(
        self,
        info: Info,
        first: First = PAGE_SIZE,
        after: After = strawberry.UNSET,
        states: States = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
        filter_: Filter = strawberry.UNSET,
        order_by: OrderBy = strawberry.UNSET,
    ) -> "JobConnection":
        """A page of this user's jobs."""
        wanted = window(first=first, after=after, last=last, before=before)
        chosen = job_filter(filter_, order_by, states=given(states))
        # An administrator sees everybody's jobs, anybody else their own.
        return await JobConnection.load(info, wanted, chosen, owner_id=self.row.id)


@strawberry.type(description="A calculation: a container that runs on a cluster, in a folder of its own.")
class Job(JobFacts, JobFiles, Node):
    id: strawberry.ID = id_of("job")

    @resolved("Whose job it is.", "owner_id")
    async def owner(self, info: Info) -> User:
        """The owner, fetched with those of the answer's other jobs."""
        return User(row=await info.context.loaders.user.load(self.row.owner_id))

    @resolved("Where it runs.", "cluster")
    async def cluster(self, info: Info) -> Cluster:
        """The cluster, fetched with those of the answer's other jobs."""
        return Cluster.of(await info.context.loaders.cluster.load(cluster_of(self.row.cluster)))

    @resolved("What happened to it, oldest first.")
    async def events(
        self, info: Info, first: First = PAGE_SIZE, after: After = strawberry.UNSET
    ) -> "JobEventConnection":
        """A page of this job's part of the log."""
        cursor = parse_cursor(after) if after else 0
        wanted = Happened(page_size("first", first), cursor)
        page = await info.context.loaders.events.load(Of(self.row.id, wanted))
        nodes = [JobEvent(row=row, known_job=self) for row in page.rows]
        return JobEventConnection(nodes=nodes, has_next=page.has_next, has_previous=cursor > 0)


@strawberry.type(description="A change of a job's state.")
class JobEvent:
    cursor: str = read("row.id", "Place in the log: pass it as `after` to go on behind this event.", str)
    previous_state: JobState | None = read("row.previous_state", "State before; null for the job's first event.")
    state: JobState = read("row.state", "State from then on.")
    reason: str | None = read("row.reason", "Why, in words.")
    at: datetime = read("row.at", "When it happened, or was first seen.")
    source: Source = read("row.source", "Who bore witness to it.")
    actor: str | None = read("row.actor", "E-mail address of who asked for it; null where nobody did.")
    row: strawberry.Private[LoggedEvent]
    known_job: strawberry.Private[Job | None] = None

    @resolved("The job, as it is now.")
    async def job(self, info: Info) -> Job:
        """The job, fetched with those of the answer's other events."""
        return self.known_job or Job(row=await info.context.loaders.job.load(self.row.job_id))


@strawberry.type(description="A job in a list.")
class JobEdge:
    cursor: str = strawberry.field(description="Place of the job in the list.")
    node: Job = strawberry.field(description="The job.")


@strawberry.type(description="A page of a list of jobs.")
class JobConnection:
    nodes: list[Job] = strawberry.field(description="The jobs of this page.")
    page: strawberry.Private[Page]
    filter: strawberry.Private[JobFilter]
    owner_id: strawberry.Private[str]

    @classmethod
    async def load(cls, info: Info, wanted: Window, filter_: JobFilter, owner_id: str = "") -> "JobConnection":
        """A page of the jobs that the caller may see; with `owner_id` of that user's, fetched with others' pages."""
        order = filter_.order
        part = Part(
            first=wanted.first,
            after=place("after", wanted.after, order),
            last=wanted.last,
            before=place("before", wanted.before, order),
            order=order,
            columns=columns_of(Job, info),
        )
        if owner_id:
            page = await info.context.loaders.page.load(Of(owner_id, Listed(part, filter_)))
        else:
            page = await info.context.services.jobs.page(info.context.caller, part, **filter_.arguments)
        return cls(nodes=[Job(row=row) for row in page.rows], page=page, filter=filter_, owner_id=owner_id)

    @resolved("The jobs of this page, each with its cursor.")
    def edges(self) -> list[JobEdge]:
        """The nodes once more."""
        return [JobEdge(cursor=cursor_of(node.row, self.filter.order), node=node) for node in self.nodes]

    @resolved("Where this page lies in the list.")
    def page_info(self) -> PageInfo:
        """Its ends."""
        cursors = [cursor_of(row, self.filter.order) for row in self.page.rows]
        return PageInfo.around(cursors, has_next=self.page.has_next, has_previous=self.page.has_previous)

    @resolved("Number of jobs over all pages.")
    async def total_count(self, info: Info) -> int:
        """Counted only where it is asked for."""
        return sum((await self._counts(info)).values())

    @resolved("Number of jobs over all pages in each state, leaving out states without jobs.")
    async def count_by_state(self, info: Info) -> list[JobStateCount]:
        """Counted only where it is asked for."""
        counts = await self._counts(info)
        return [JobStateCount(state=state, count=counts[state]) for state in JobState if state in counts]

    async def _counts(self, info: Info) -> Mapping[JobState, int]:
        return await info.context.loaders.counts.load(Of(self.owner_id, self.filter))


@strawberry.type(description="An event in a list.")
class JobEventEdge:
    cursor: str = strawberry.field(description="Place of the event in the log; the same as `JobEvent.cursor`.")
    node: JobEvent = strawberry.field(description="The event.")


@strawberry.type(description="A page of the events of a job, oldest first.")
class JobEventConnection:
    nodes: list[JobEvent] = strawberry.field(description="The events of this page.")
    has_next: strawberry.Private[bool]
    has_previous: strawberry.Private[bool]

    @resolved("The events of this page, each with its cursor.")
    def edges(self) -> list[JobEventEdge]:
        """The nodes once more."""
        return [JobEventEdge(cursor=str(node.row.id), node=node) for node in self.nodes]

    @resolved("Where this page lies in the list.")
    def page_info(self) -> PageInfo:
        """Its ends."""
        cursors = [str(node.row.id) for node in self.nodes]
        return PageInfo.around(cursors, has_next=self.has_next, has_previous=self.has_previous)
