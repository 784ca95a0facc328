"""Users, their jobs, and what happened to them: they refer to each other, so they stand together."""

from collections.abc import Mapping
from datetime import UTC, datetime
from operator import itemgetter
from typing import Annotated

import strawberry

from gql_gateway.api.clusters import Cluster
from gql_gateway.api.context import Info
from gql_gateway.api.enums import JobState, Source
from gql_gateway.api.fields import columns_of, read, resolved
from gql_gateway.api.files import JobFile, Links, OutputChunk
from gql_gateway.api.filters import Filter, JobFilter, OrderBy, cursor_of, job_filter, place
from gql_gateway.api.limits import MAX_OUTPUT_BYTES, OUTPUT_BYTES, PAGE_SIZE
from gql_gateway.api.nodes import Node, id_of
from gql_gateway.api.paging import After, Before, First, Last, PageInfo, Window, given, output_size, page_size, window
from gql_gateway.api.resources import USAGE_COLUMNS, JobStateCount, JobUsage, Label, Resources
from gql_gateway.api.scalars import ByteCount
from gql_gateway.api.tokens import Token
from gql_gateway.core.accounts import cluster_of
from gql_gateway.core.errors import Refused
from gql_gateway.core.states import ACTIVE, FINAL
from gql_gateway.services.changes import parse_cursor
from gql_gateway.services.files import file_missing
from gql_gateway.store.listing import Page
from gql_gateway.store.tables import Job as JobRow
from gql_gateway.store.tables import JobEvent as EventRow
from gql_gateway.store.tables import User as UserRow

_PLACE = ("cluster", "folder")
"""Columns that say where a job's files are."""

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
        return [Token.of(row) for row in await info.context.services.tokens.mine(info.context.caller)]

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
        # An administrator sees everybody's jobs, anybody else their own.
        owner_id = self.row.id if info.context.caller.is_admin else None
        chosen = job_filter(filter_, order_by, states=given(states), owner_id=owner_id)
        return await JobConnection.load(info, wanted, chosen)


@strawberry.type(description="A calculation: a container that runs on a cluster, in a folder of its own.")
class Job(Node):
    id: strawberry.ID = id_of("job")
    name: str = read("row.name", "Name for people to read; it need not be unique.")
    image: str = read("row.spec", "Container image that it runs in.", itemgetter("image"))
    command: str | None = read(
        "row.spec",
        "Command line that the container's own shell runs; null: `args`, or the image's entry point.",
        itemgetter("command"),
    )
    args: list[str] | None = read(
        "row.spec",
        "Command and arguments that run without a shell; null: `command`, or the image's entry point.",
        itemgetter("args"),
    )
    resources: Resources = read("row.spec", "What it asks of the cluster.", lambda spec: Resources(**spec["resources"]))
    script: str = read("row.script", "The job script `run.sh`, word for word. It never changes.")
    script_sha256: str = read("row.script_sha256", "SHA-256 of the script, in hexadecimal digits.")
    state: JobState = read("row.state", "Where it is in its life.")
    is_final: bool = read("row.state", "Whether it has ended, so that `state` changes no more.", FINAL.__contains__)
    slurm_job_id: str | None = read("row.slurm_job_id", "Slurm's number of the job; null before it is queued.")
    native_state: str | None = read(
        "row.native_state",
        "Slurm's own word for the state, such as `PENDING` or `NODE_FAIL`; null before it is queued.",
    )
    reason: str | None = read("row.reason", "Why it waits or why it ended, in words.")
    exit_code: int | None = read(
        "row.exit_code", "Exit code of the command, 0 to 255; null before its end, and where a signal ended it."
    )
    signal: int | None = read("row.signal", "Number of the signal that ended it; null where none did.")
    source: Source = read("row.source", "Who bore witness to `state`.")
    created_at: datetime = read("row.created_at", "When it was created.")
    launched_at: datetime | None = read("row.launched_at", "When its launch was asked for.")
    queued_at: datetime | None = read("row.queued_at", "When Slurm took it into its queue.")
    expected_start_at: datetime | None = read(
        "row.expected_start_at", "When Slurm expects to start it; null where Slurm does not say."
    )
    started_at: datetime | None = read("row.started_at", "When it began to run.")
    ended_at: datetime | None = read("row.ended_at", "When it ended.")
    cancel_requested_at: datetime | None = read("row.cancel_requested_at", "When somebody asked to cancel it.")
    observed_at: datetime | None = read(
        "row.observed_at",
        "When Slurm last confirmed the state. While the cluster cannot be reached, this stands still.",
    )
    can_launch: bool = read(
        "row.state", "Whether `launch` would submit it now.", lambda state: state is JobState.CREATED
    )
    can_cancel: bool = read(
        ("row.state", "row.cancel_requested_at"),
        "Whether `cancel` would change anything now.",
        lambda state, asked: (state in ACTIVE or state is JobState.CREATED) and asked is None,
    )
    labels: list[Label] = read(
        "row.spec",
        "Its labels, in the order in which they were given.",
        lambda spec: [Label(**label) for label in spec.get("labels", ())],
    )
    row: strawberry.Private[JobRow]

    @resolved("Whose job it is.", "owner_id")
    async def owner(self, info: Info) -> User:
        """The owner, fetched with those of the answer's other jobs."""
        return User(row=await info.context.loaders.user.load(self.row.owner_id))

    @resolved("Where it runs.", "cluster")
    async def cluster(self, info: Info) -> Cluster:
        """The cluster, fetched with those of the answer's other jobs."""
        return Cluster.of(await info.context.loaders.cluster.load(cluster_of(self.row.cluster)))

    @resolved("Absolute path of its folder on the cluster. The container sees `work/` in it as `/job`.", *_PLACE)
    def folder(self, info: Info) -> str:
        """The path of the folder whose name the row has."""
        return info.context.services.jobs.path(self.row)

    @resolved(
        "Whether `run.sh` on the cluster still is the sealed script, word for word. What Slurm gets is the script that "
        "the gateway keeps, so a changed file changes nothing. Null, with an error beside, while the cluster is away.",
        *_PLACE,
        "script_sha256",
    )
    async def script_intact(self, info: Info) -> bool | None:
        """Compare the file with the seal."""
        return await info.context.services.files.script_intact(self.row)

    @resolved(
        "A URL that gives its folder with all it holds, `run.sh` and Slurm's output too, as one tar file for a short "
        "time, also without a token. Links and the like are left out.",
        *_PLACE,
    )
    def archive_url(self, info: Info) -> str:
        """Sign a URL only where it is asked for."""
        return info.context.services.sign_archive(self.row, "", info.context.caller)

    @resolved(
        "Entries of one of its folders, by name; null where there is no such folder, and, with an error "
        "beside, while the cluster cannot be asked. The job's own folder also shows `run.sh` and Slurm's output.",
        *_PLACE,
    )
    async def files(
        self,
        info: Info,
        path: Annotated[str | None, strawberry.argument(description="Folder, relative to the job's folder.")] = "",
    ) -> list[JobFile] | None:
        """List a folder."""
        try:
            entries = await info.context.services.files.list(self.row, path or "")
        except Refused as refused:
            if file_missing(refused):
                return None
            raise
        info.context.note_entries(len(entries))
        links = Links.of(info, self.row)
        return [JobFile(entry=entry, links=links) for entry in entries]

    @resolved(
        "One file or folder of the job; null where there is none at this path, and, with an error beside, "
        "while the cluster cannot be asked.",
        *_PLACE,
    )
    async def file(
        self, info: Info, path: Annotated[str, strawberry.argument(description="Path, relative to the job's folder.")]
    ) -> JobFile | None:
        """Look at one entry."""
        try:
            entry = await info.context.services.files.stat(self.row, path)
        except Refused as refused:
            if file_missing(refused):
                return None
            raise
        return JobFile(entry=entry, links=Links.of(info, self.row))

    @resolved(
        "What it used so far; null before it starts. The site's accounts tell most of it, some seconds after its end.",
        *USAGE_COLUMNS,
    )
    def usage(self) -> JobUsage | None:
        """What the watcher learned once, and the time."""
        return JobUsage.of(self.row, datetime.now(UTC))

    @resolved(
        "A part of a text file of the job, to read once and not to follow as `jobOutput` does. Null where there is no "
        "such file (yet), and, with an error beside, while the cluster cannot be asked.",
        *_PLACE,
        "slurm_job_id",
        "state",
    )
    async def output(
        self,
        info: Info,
        path: Annotated[
            str | None,
            strawberry.argument(description="Path of the file, relative to the job's folder; null: Slurm's output."),
        ] = strawberry.UNSET,
        offset: Annotated[
            ByteCount | None, strawberry.argument(description="Byte to start at; null: so that the end is shown.")
        ] = strawberry.UNSET,
        limit: Annotated[
            int | None, strawberry.argument(description=f"Most bytes to read, 1 to {MAX_OUTPUT_BYTES}.")
        ] = OUTPUT_BYTES,
    ) -> OutputChunk | None:
        """Read a part of a file."""
        wanted = output_size(limit)
        try:
            chunk = await info.context.services.files.read(self.row, given(path), given(offset), wanted)
        except Refused as refused:
            if file_missing(refused):
                return None
            raise
        return OutputChunk.of(chunk) if chunk else None

    @resolved("What happened to it, oldest first.")
    async def events(
        self, info: Info, first: First = PAGE_SIZE, after: After = strawberry.UNSET
    ) -> "JobEventConnection":
        """A page of this job's part of the log."""
        cursor = parse_cursor(after) if after else 0
        rows, more = await info.context.services.jobs.events(self.row, first=page_size("first", first), after=cursor)
        nodes = [JobEvent(row=row, known_job=self) for row in rows]
        return JobEventConnection(nodes=nodes, has_next=more, has_previous=cursor > 0)


@strawberry.type(description="A change of a job's state.")
class JobEvent:
    cursor: str = read("row.id", "Place in the log: pass it as `after` to go on behind this event.", str)
    previous_state: JobState | None = read("row.previous_state", "State before; null for the job's first event.")
    state: JobState = read("row.state", "State from then on.")
    reason: str | None = read("row.reason", "Why, in words.")
    at: datetime = read("row.at", "When it happened, or was first seen.")
    source: Source = read("row.source", "Who bore witness to it.")
    actor: str | None = read("row.actor", "E-mail address of who asked for it; null where nobody did.")
    row: strawberry.Private[EventRow]
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

    @classmethod
    async def load(cls, info: Info, wanted: Window, filter_: JobFilter) -> "JobConnection":
        """A page of the jobs that the caller may see."""
        order = filter_.order
        after, before = place("after", wanted.after, order), place("before", wanted.before, order)
        page = await info.context.services.jobs.page(
            info.context.caller,
            first=wanted.first,
            after=after,
            last=wanted.last,
            before=before,
            order=order,
            columns=columns_of(Job, info),
            **filter_.arguments,
        )
        return cls(nodes=[Job(row=row) for row in page.rows], page=page, filter=filter_)

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
        return await info.context.services.jobs.count_by_state(info.context.caller, **self.filter.arguments)


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
