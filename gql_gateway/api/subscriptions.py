"""What can be followed."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import strawberry

from gql_gateway.api.clusters import Cluster
from gql_gateway.api.context import Info
from gql_gateway.api.fields import followed
from gql_gateway.api.files import OutputChunk
from gql_gateway.api.jobs import JobEvent
from gql_gateway.api.paging import given
from gql_gateway.api.scalars import ByteCount
from gql_gateway.core.ids import parse_job_id

_START = ByteCount(0)


@strawberry.type(description="What can be followed, over WebSocket or as server-sent events.")
class Subscription:
    @followed(
        "State changes of one job, or of all of yours (an administrator's: everybody's). Without `after`, "
        "first the present state of each job that is not final (or of the one job), then what happens; with it, "
        "everything behind that cursor, then what happens. Each event comes once and in order. That of one job ends "
        "with its final state."
    )
    async def job_state_changed(
        self,
        info: Info,
        job_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Id of the job; null: all of yours.")
        ] = strawberry.UNSET,
        after: Annotated[
            str | None, strawberry.argument(description="Cursor of the last event that you received.")
        ] = strawberry.UNSET,
    ) -> AsyncGenerator[JobEvent, None]:
        """The log of events, from a cursor on."""
        changes = info.context.services.changes.follow(
            info.context.caller,
            job_id=parse_job_id(given(job_id) or ""),
            only_one=given(job_id) is not None,
            after=given(after),
        )
        with info.context.services.subscription(info.context.caller.email):
            async with aclosing(changes):
                async for row in changes:
                    yield JobEvent(row=row)

    @followed(
        "A text file of a job as it grows. Waits for a job that is not launched and for a file that is not "
        "there yet, and ends when the job is final and everything was sent."
    )
    async def job_output(
        self,
        info: Info,
        job_id: Annotated[strawberry.ID, strawberry.argument(description="Id of the job.")],
        path: Annotated[
            str | None,
            strawberry.argument(description="Path of the file, relative to the job's folder; null: Slurm's output."),
        ] = strawberry.UNSET,
        offset: Annotated[
            ByteCount | None, strawberry.argument(description="Byte to start at: `nextOffset` of the last chunk.")
        ] = _START,
    ) -> AsyncGenerator[OutputChunk, None]:
        """A file, from a byte on."""
        chunks = info.context.services.files.output(
            info.context.caller,
            parse_job_id(job_id),
            given(path),
            offset or 0,
        )
        with info.context.services.subscription(info.context.caller.email):
            async with aclosing(chunks):
                async for chunk in chunks:
                    yield OutputChunk.of(chunk)

    @followed(
        "A cluster: how it is, and again each time that its availability or its partitions differ, at most once a "
        "second. Without end."
    )
    async def cluster_updated(
        self,
        info: Info,
        name: Annotated[str, strawberry.argument(description="Name of the cluster, as in `Cluster.name`.")],
    ) -> AsyncGenerator[Cluster, None]:
        """What the watcher writes down about a cluster."""
        statuses = info.context.services.clusters.follow(name)
        with info.context.services.subscription(info.context.caller.email):
            async with aclosing(statuses):
                async for row in statuses:
                    yield Cluster.of(row)
