"""The audit log, as administrators see it."""

from datetime import datetime
from typing import Annotated

import strawberry

from gql_gateway.api.context import Info
from gql_gateway.api.enums import AuditAction, Role
from gql_gateway.api.paging import PageInfo, given, page_size
from gql_gateway.core.errors import BadRequest
from gql_gateway.core.ids import global_id, parse_job_id
from gql_gateway.services.changes import parse_cursor
from gql_gateway.store.tables import GatewayAuditEntry as EntryRow

AuditAfter = Annotated[str | None, strawberry.argument(description="Only entries behind this cursor, which are older.")]
AuditJob = Annotated[
    strawberry.ID | None, strawberry.argument(description="Only entries about this job, which may be gone.")
]
AuditActor = Annotated[
    str | None, strawberry.argument(description="Only entries of the person with this e-mail address.")
]


@strawberry.type(description="An act of somebody's, never changed. It outlives the job that it is about.")
class GatewayAuditEntry:
    cursor: str = strawberry.field(description="Place in the log: pass it as `after` to go on behind this entry.")
    at: datetime = strawberry.field(description="When it was done.")
    actor: str = strawberry.field(
        description="E-mail address of who did it; `operator` for the gateway's own command line."
    )
    role: Role = strawberry.field(description="What the actor might do then.")
    credential: str = strawberry.field(
        description="What it was done with, such as `token …` with the token's id; never the secret."
    )
    request_id: str | None = strawberry.field(description="Id of the request, as the gateway's log has it.")
    action: AuditAction = strawberry.field(description="What was done.")
    job_id: strawberry.ID | None = strawberry.field(description="Id of the job; null where it is about none.")
    owner_id: strawberry.ID | None = strawberry.field(description="Id of the user whose job it is.")
    detail: str | None = strawberry.field(
        description="Path of the file, id of the token, or id of the job that was cloned."
    )

    @classmethod
    def of(cls, row: EntryRow) -> "GatewayAuditEntry":
        """An entry."""
        return cls(
            cursor=str(row.id),
            at=row.at,
            actor=row.actor,
            role=row.role,
            credential=row.credential,
            request_id=row.request_id,
            action=row.action,
            job_id=_global("job", row.job_id),
            owner_id=_global("user", row.owner_id),
            detail=row.detail,
        )


@strawberry.type(description="An entry in a list.")
class GatewayAuditEntryEdge:
    cursor: str = strawberry.field(description="Place of the entry in the log; the same as its own `cursor`.")
    node: GatewayAuditEntry = strawberry.field(description="The entry.")


@strawberry.type(description="A page of the audit log, newest first.")
class GatewayAuditEntryConnection:
    nodes: list[GatewayAuditEntry] = strawberry.field(description="The entries of this page.")
    edges: list[GatewayAuditEntryEdge] = strawberry.field(description="The entries of this page, each with its cursor.")
    page_info: PageInfo = strawberry.field(description="Where this page lies in the log.")

    @classmethod
    async def load(
        cls, info: Info, *, first: int | None, after: str | None, job_id: strawberry.ID | None, actor: str | None
    ) -> "GatewayAuditEntryConnection":
        """A page of the log, for an administrator."""
        before = given(after)
        page = await info.context.services.audit.page(
            info.context.caller,
            first=page_size("first", first),
            before=parse_cursor(before) if before is not None else None,
            job_id=_job_key(given(job_id)),
            actor=_address(given(actor)),
        )
        nodes = [GatewayAuditEntry.of(row) for row in page.rows]
        edges = [GatewayAuditEntryEdge(cursor=node.cursor, node=node) for node in nodes]
        where = PageInfo.around(
            [node.cursor for node in nodes], has_next=page.has_next, has_previous=before is not None
        )
        return cls(nodes=nodes, edges=edges, page_info=where)


def _global(kind: str, key: str | None) -> strawberry.ID | None:
    return strawberry.ID(global_id(kind, key)) if key else None


def _job_key(job_id: str | None) -> str | None:
    """The key of a job; of what is no job's id one that no job has."""
    return None if job_id is None else parse_job_id(job_id) or ""


def _address(actor: str | None) -> str | None:
    """An address to search for; PostgreSQL takes no NUL in one."""
    if actor and "\0" in actor:
        raise BadRequest("`actor` has a character that no address has.")
    return actor
