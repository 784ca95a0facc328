"""Subscriptions that outlive their connections: continued by cursor and by offset, nothing twice, nothing left out."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from gql_gateway.sdk import documents
from gql_gateway.sdk.errors import ConnectionLost
from gql_gateway.sdk.job_types import JobChange, OutputChunk
from gql_gateway.sdk.patience import Patience
from gql_gateway.sdk.wire import Wire


async def changes(wire: Wire, job_id: str | None, after: str | None, seconds: float) -> AsyncGenerator[JobChange, None]:
    """State changes of one job until its end, or of all of mine without end.

    Without `after` first the present state, then what happens; `seconds` of lost connections are borne.
    """
    if job_id and after and await _nothing_follows(wire, job_id, after):
        return
    patience = Patience(seconds)
    while True:
        variables = {"jobId": job_id, "after": after}
        try:
            async with aclosing(wire.subscribe(documents.STATE_CHANGED, variables, patience)) as answers:
                async for answer in answers:
                    patience.progress()
                    change = JobChange.of(answer["jobStateChanged"])
                    after = change.cursor
                    yield change
                    if job_id and change.state.is_final:
                        return
        except ConnectionLost as loss:
            await patience.after(loss)


async def output(
    wire: Wire, job_id: str, path: str | None, offset: int, seconds: float
) -> AsyncGenerator[OutputChunk, None]:
    """A text file of a job as it grows, from `offset` on, until the job has ended and all was sent."""
    patience = Patience(seconds)
    while True:
        variables = {"jobId": job_id, "path": path, "offset": offset}
        try:
            async with aclosing(wire.subscribe(documents.OUTPUT, variables, patience)) as answers:
                async for answer in answers:
                    patience.progress()
                    chunk = OutputChunk.of(answer["jobOutput"])
                    offset = chunk.next_offset
                    yield chunk
                    if chunk.end:
                        return
        except ConnectionLost as loss:
            await patience.after(loss)


async def _nothing_follows(wire: Wire, job_id: str, after: str) -> bool:
    """Whether the job has ended with the change at this cursor: a subscription behind it would wait for ever."""
    data = await wire.execute(documents.EVENTS, {"id": job_id, "first": 1, "after": after})
    job = data["job"]
    return job is not None and job["isFinal"] and not job["events"]["nodes"]
