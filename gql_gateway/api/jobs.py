"""Users, their jobs, and what happened to them: they refer to each other, so they stand together."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated

import strawberry

from gql_gateway.api.clusters import Cluster
from gql_gateway.api.context import Info
from gql_gateway.api.enums import JobState, Source
from gql_gateway.api.fields import resolved
from gql_gateway.api.files import JobFile, OutputChunk
from gql_gateway.api.filters import Filter, JobFilter, OrderBy, cursor_of, job_filter, place
from gql_gateway.api.limits import MAX_OUTPUT_BYTES, OUTPUT_BYTES, PAGE_SIZE
from gql_gateway.api.nodes import Node
from gql_gateway.api.paging import After, Before, First, Last, PageInfo, Window, given, output_size, page_size, window
from gql_gateway.api.resources import JobStateCount, JobUsage, Label, Resources
from gql_gateway.api.scalars import ByteCount
from gql_gateway.api.tokens import Token
from gql_gateway.core.errors import Refused
from gql_gateway.core.ids import global_id
from gql_gateway.core.states import ACTIVE, FINAL
from gql_gateway.services.changes import parse_cursor
from gql_gateway.services.files import file_missing
from gql_gateway.store.tables import Job as JobRow
from gql_gateway.store.tables import JobEvent as EventRow
from gql_gateway.store.tables import User as UserRow

States = Annotated[list[JobState] | None, strawberry.argument(description="Only jobs in one of these states.")]


@strawberry.type(description="A person or a program that uses this gateway, with a folder on the cluster.")
class User(Node):
    email: str = strawberry.field(description="E-mail address, which tells users apart.")
    name: str = strawberry.field(description="Name for people to read.")
    created_at: datetime = strawberry.field(description="When the user came here first.")
    row: strawberry.Private[UserRow]

    @classmethod
    def of(cls, row: UserRow) -> "User":
        """A user that the caller may see."""
        user_id = strawberry.ID(global_id("user", row.id))
        return cls(id=user_id, email=row.email, name=row.name, created_at=row.created_at, row=row)

    @resolved("Absolute path of the user's folder on the default cluster.")
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
    name: str = strawberry.field(description="Name for people to read; it need not be unique.")
    image: str = strawberry.field(description="Container image that it runs in.")
    command: str | None = strawberry.field(
        description="Command line that the container's own shell runs; null: `args`, or the image's entry point."
    )
    args: list[str] | None = strawberry.field(
        description="Command and arguments that run without a shell; null: `command`, or the image's entry point."
    )
    resources: Resources = strawberry.field(description="What it asks of the cluster.")
    script: str = strawberry.field(description="The job script `run.sh`, word for word. It never changes.")
    script_sha256: str = strawberry.field(description="SHA-256 of the script, in hexadecimal digits.")
    state: JobState = strawberry.field(description="Where it is in its life.")
    is_final: bool = strawberry.field(description="Whether it has ended, so that `state` changes no more.")
    slurm_job_id: str | None = strawberry.field(description="Slurm's number of the job; null before it is queued.")
    native_state: str | None = strawberry.field(
        description="Slurm's own word for the state, such as `PENDING` or `NODE_FAIL`; null before it is queued."
    )
    reason: str | None = strawberry.field(description="Why it waits or why it ended, in words.")
    exit_code: int | None = strawberry.field(
        description="Exit code of the command, 0 to 255; null before its end, and where a signal ended it."
    )
    signal: int | None = strawberry.field(description="Number of the signal that ended it; null where none did.")
    source: Source = strawberry.field(description="Who bore witness to `state`.")
    created_at: datetime = strawberry.field(description="When it was created.")
    launched_at: datetime | None = strawberry.field(description="When its launch was asked for.")
    queued_at: datetime | None = strawberry.field(description="When Slurm took it into its queue.")
    expected_start_at: datetime | None = strawberry.field(
        description="When Slurm expects to start it; null where Slurm does not say."
    )
    started_at: datetime | None = strawberry.field(description="When it began to run.")
    ended_at: datetime | None = strawberry.field(description="When it ended.")
    cancel_requested_at: datetime | None = strawberry.field(description="When somebody asked to cancel it.")
    observed_at: datetime | None = strawberry.field(
        description="When Slurm last confirmed the state. While the cluster cannot be reached, this stands still."
    )
    can_launch: bool = strawberry.field(description="Whether `launch` would submit it now.")
    can_cancel: bool = strawberry.field(description="Whether `cancel` would change anything now.")
    row: strawberry.Private[JobRow]

    @classmethod
    def of(cls, row: JobRow) -> "Job":
        """A job that the caller may see."""
        unfinished = row.state in ACTIVE or row.state is JobState.CREATED
        return cls(
            id=strawberry.ID(global_id("job", row.id)),
            name=row.name,
            image=row.spec["image"],
            command=row.spec["command"],
            args=row.spec["args"],
            resources=Resources.of(row.spec["resources"]),
            script=row.script,
            script_sha256=row.script_sha256,
            state=row.state,
            is_final=row.state in FINAL,
            slurm_job_id=row.slurm_job_id,
            native_state=row.native_state,
            reason=row.reason,
            exit_code=row.exit_code,
            signal=row.signal,
            source=row.source,
            created_at=row.created_at,
            launched_at=row.launched_at,
            queued_at=row.queued_at,
            expected_start_at=row.expected_start_at,
            started_at=row.started_at,
            ended_at=row.ended_at,
            cancel_requested_at=row.cancel_requested_at,
            observed_at=row.observed_at,
            can_launch=row.state is JobState.CREATED,
            can_cancel=unfinished and row.cancel_requested_at is None,
            row=row,
        )

    @resolved("Whose job it is.")
    async def owner(self, info: Info) -> User:
        """The owner, fetched with those of the answer's other jobs."""
        return User.of(await info.context.loaders.user.load(self.row.owner_id))

    @resolved("Where it runs.")
    async def cluster(self, info: Info) -> Cluster:
        """The cluster, fetched with those of the answer's other jobs."""
        return Cluster.of(await info.context.loaders.cluster.load(self.row.cluster))

    @resolved("Absolute path of its folder on the cluster. The container sees `work/` in it as `/job`.")
    def folder(self, info: Info) -> str:
        """The path of the folder whose name the row has."""
        return info.context.services.jobs.path(self.row)

    @resolved(
        "Whether `run.sh` on the cluster still is the sealed script, word for word. What Slurm gets is the script that "
        "the gateway keeps, so a changed file changes nothing. Null, with an error beside, while the cluster is away."
    )
    async def script_intact(self, info: Info) -> bool | None:
        """Compare the file with the seal."""
        return await info.context.services.files.script_intact(self.row)

    @resolved(
        "A URL that gives its folder with all it holds, `run.sh` and Slurm's output too, as one tar file for a short "
        "time, also without a token. Links and the like are left out."
    )
    def archive_url(self, info: Info) -> str:
        """Sign a URL only where it is asked for."""
        return info.context.services.sign_archive(self.row, "", info.context.caller)

    @resolved(
        "Entries of one of its folders, by name; null where there is no such folder, and, with an error "
        "beside, while the cluster cannot be asked. The job's own folder also shows `run.sh` and Slurm's output."
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
        return [JobFile.of(entry, self.row) for entry in entries]

    @resolved(
        "One file or folder of the job; null where there is none at this path, and, with an error beside, "
        "while the cluster cannot be asked."
    )
    async def file(
        self, info: Info, path: Annotated[str, strawberry.argument(description="Path, relative to the job's folder.")]
    ) -> JobFile | None:
        """Look at one entry."""
        try:
            return JobFile.of(await info.context.services.files.stat(self.row, path), self.row)
        except Refused as refused:
            if file_missing(refused):
                return None
            raise

    @resolved("Its labels, in the order in which they were given.")
    def labels(self) -> list[Label]:
        """The labels, from the job's specification."""
        return [Label(**label) for label in self.row.spec.get("labels", ())]

    @resolved(
        "What it used so far; null before it starts. The site's accounts tell most of it, some seconds after its end."
    )
    def usage(self) -> JobUsage | None:
        """What the watcher learned once, and the time."""
        return JobUsage.of(self.row, datetime.now(UTC))

    @resolved(
        "A part of a text file of the job, to read once and not to follow as `jobOutput` does. Null where there is no "
        "such file (yet), and, with an error beside, while the cluster cannot be asked."
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
        return JobEventConnection.of([JobEvent.of(row, self) for row in rows], has_next=more, has_previous=cursor > 0)


@strawberry.type(description="A change of a job's state.")
class JobEvent:
    cursor: str = strawberry.field(description="Place in the log: pass it as `after` to go on behind this event.")
    previous_state: JobState | None = strawberry.field(description="State before; null for the job's first event.")
    state: JobState = strawberry.field(description="State from then on.")
    reason: str | None = strawberry.field(description="Why, in words.")
    at: datetime = strawberry.field(description="When it happened, or was first seen.")
    source: Source = strawberry.field(description="Who bore witness to it.")
    actor: str | None = strawberry.field(description="E-mail address of who asked for it; null where nobody did.")
    row: strawberry.Private[EventRow]
    known_job: strawberry.Private[Job | None]

    @classmethod
    def of(cls, row: EventRow, job: Job | None = None) -> "JobEvent":
        """An event of a job that the caller may see."""
        return cls(
            cursor=str(row.id),
            previous_state=row.previous_state,
            state=row.state,
            reason=row.reason,
            at=row.at,
            source=row.source,
            actor=row.actor,
            row=row,
            known_job=job,
        )

    @resolved("The job, as it is now.")
    async def job(self, info: Info) -> Job:
        """The job, fetched with those of the answer's other events."""
        return self.known_job or Job.of(await info.context.loaders.job.load(self.row.job_id))


@strawberry.type(description="A job in a list.")
class JobEdge:
    cursor: str = strawberry.field(description="Place of the job in the list.")
    node: Job = strawberry.field(description="The job.")


@strawberry.type(description="A page of a list of jobs.")
class JobConnection:
    nodes: list[Job] = strawberry.field(description="The jobs of this page.")
    edges: list[JobEdge] = strawberry.field(description="The jobs of this page, each with its cursor.")
    page_info: PageInfo = strawberry.field(description="Where this page lies in the list.")
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
            **filter_.arguments,
        )
        nodes = [Job.of(row) for row in page.rows]
        cursors = [cursor_of(row, order) for row in page.rows]
        edges = [JobEdge(cursor=cursor, node=node) for cursor, node in zip(cursors, nodes, strict=True)]
        where = PageInfo.around(cursors, has_next=page.has_next, has_previous=page.has_previous)
        return cls(nodes=nodes, edges=edges, page_info=where, filter=filter_)

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
    edges: list[JobEventEdge] = strawberry.field(description="The events of this page, each with its cursor.")
    page_info: PageInfo = strawberry.field(description="Where this page lies in the list.")

    @classmethod
    def of(cls, nodes: list[JobEvent], *, has_next: bool, has_previous: bool) -> "JobEventConnection":
        """A page of events."""
        edges = [JobEventEdge(cursor=node.cursor, node=node) for node in nodes]
        where = PageInfo.around([node.cursor for node in nodes], has_next=has_next, has_previous=has_previous)
        return cls(nodes=nodes, edges=edges, page_info=where)
