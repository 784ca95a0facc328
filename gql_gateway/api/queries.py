"""What can be read."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import strawberry

from gql_gateway import __version__
from gql_gateway.api.audit import AuditActor, AuditAfter, AuditJob, GatewayAuditEntryConnection
from gql_gateway.api.clusters import Cluster, ClusterHealth, Heartbeat
from gql_gateway.api.context import Info
from gql_gateway.api.fields import columns_of, resolved
from gql_gateway.api.filters import Filter, OrderBy, job_filter
from gql_gateway.api.jobs import Job, JobConnection, States, User
from gql_gateway.api.limits import PAGE_SIZE
from gql_gateway.api.nodes import Node
from gql_gateway.api.paging import After, Before, First, Last, given, window
from gql_gateway.api.tokens import Token
from gql_gateway.core.ids import parse_global_id, parse_job_id
from gql_gateway.store.tables import ClusterStatus


@strawberry.type(description="What can be read. Everything but `heartbeat` needs a token.")
class Query:
    @resolved("Whether this gateway works. Needs no token.")
    async def heartbeat(self, info: Info) -> Heartbeat:
        """Reads the database, and asks no cluster."""
        clusters = [
            ClusterHealth(name=row.name, available=row.available, message=row.message) for row in await _statuses(info)
        ]
        return Heartbeat(ok=True, version=__version__, time=datetime.now(UTC), clusters=clusters)

    @resolved("Yourself; null before `createUser`.")
    async def me(self, info: Info) -> User | None:
        """The caller as a user."""
        row = await info.context.services.users.me(info.context.caller)
        return User(row=row) if row else None

    @resolved("The object with this id, of whatever type; null where there is none, or it is not yours.")
    async def node(
        self, info: Info, id_: Annotated[strawberry.ID, strawberry.argument(name="id", description="Id of an object.")]
    ) -> Node | None:
        """Find an object again."""
        match parse_global_id(id_):
            case ("job", _):
                return await _job(info, id_)
            case ("user", key):
                return await _user(info, key)
            case ("token", key):
                rows = await info.context.services.tokens.mine(info.context.caller)
                return next((Token.of(row) for row in rows if row.id == key), None)
            case ("cluster", key):
                return next((Cluster.of(row) for row in await _statuses(info) if row.name == key), None)
        return None

    @resolved("The job with this id; null where there is none, or it is not yours: the two look the same.")
    async def job(
        self, info: Info, id_: Annotated[strawberry.ID, strawberry.argument(name="id", description="Id of a job.")]
    ) -> Job | None:
        """One job."""
        return await _job(info, id_)

    @resolved("Your jobs, newest first; those of all users for an administrator.")
    async def jobs(
        self,
        info: Info,
        first: First = PAGE_SIZE,
        after: After = strawberry.UNSET,
        states: States = strawberry.UNSET,
        search: Annotated[
            str | None,
            strawberry.argument(description="Only jobs with this text in their name, or with this Slurm number."),
        ] = strawberry.UNSET,
        last: Last = strawberry.UNSET,
        before: Before = strawberry.UNSET,
        filter_: Filter = strawberry.UNSET,
        order_by: OrderBy = strawberry.UNSET,
    ) -> JobConnection:
        """A page of the caller's jobs."""
        wanted = window(first=first, after=after, last=last, before=before)
        return await JobConnection.load(
            info, wanted, job_filter(filter_, order_by, states=given(states), search=given(search))
        )

    @resolved("The cluster with this name; null where there is none.")
    async def cluster(
        self,
        info: Info,
        name: Annotated[str, strawberry.argument(description="Name of the cluster, as in `Cluster.name`.")],
    ) -> Cluster | None:
        """One cluster."""
        return next((Cluster.of(row) for row in await _statuses(info) if row.name == name), None)

    @resolved("The clusters of this gateway; the first one is the default.")
    async def clusters(self, info: Info) -> list[Cluster]:
        """Every cluster, in the order of the configuration."""
        return [Cluster.of(row) for row in await _statuses(info)]

    @resolved(
        "Who did what to which job, newest first. For administrators only: to others it is FORBIDDEN. Example: "
        '`{ auditEntries(actor: "ada@example.org") { nodes { at action jobId detail } } }`'
    )
    async def audit_entries(
        self,
        info: Info,
        first: First = PAGE_SIZE,
        after: AuditAfter = strawberry.UNSET,
        job_id: AuditJob = strawberry.UNSET,
        actor: AuditActor = strawberry.UNSET,
    ) -> GatewayAuditEntryConnection:
        """A page of the audit log."""
        return await GatewayAuditEntryConnection.load(info, first=first, after=after, job_id=job_id, actor=actor)


async def _statuses(info: Info) -> Sequence[ClusterStatus]:
    return await info.context.services.clusters.statuses()


async def _job(info: Info, global_id: str) -> Job | None:
    key = parse_job_id(global_id)
    row = await info.context.services.jobs.show(info.context.caller, key, columns_of(Job, info)) if key else None
    return Job(row=row) if row else None


async def _user(info: Info, key: str) -> User | None:
    """A user, for themselves and for administrators."""
    if not (key.isascii() and key.isalnum()):
        return None
    caller, users = info.context.caller, info.context.services.users
    row = (await users.many([key])).get(key)
    return User(row=row) if row and (caller.is_admin or row.email == caller.email) else None
