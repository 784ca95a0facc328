"""The audit log: what is written into it, and who may read it."""

from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.core.audit import AuditAction
from gql_gateway.core.errors import Forbidden
from gql_gateway.core.identity import Identity, Role
from gql_gateway.store import audit, users
from gql_gateway.store.database import Database
from gql_gateway.store.tables import GatewayAuditEntry, Job, made

OPERATOR = Identity("operator", "the command line", Role.ADMIN, credential="command line")
"""Who acts where nobody came through a door: whoever may run the gateway's own command."""


@dataclass(frozen=True, slots=True)
class AuditPage:
    """A part of the log, newest first."""

    rows: list[GatewayAuditEntry]
    has_next: bool


async def note(
    session: AsyncSession, identity: Identity, action: AuditAction, job: Job | None = None, detail: str | None = None
) -> None:
    """Keep an act of this caller's, in the transaction that does it or says that it was done."""
    entry = made(
        GatewayAuditEntry,
        id=None,
        at=datetime.now(UTC),
        actor=identity.email,
        role=identity.role,
        credential=identity.credential,
        request_id=structlog.contextvars.get_contextvars().get("request_id"),
        action=action,
        job_id=job.id if job else None,
        owner_id=job.owner_id if job else None,
        detail=detail,
    )
    await audit.add(session, entry)


async def note_reading(database: Database, identity: Identity, action: AuditAction, job: Job, path: str) -> None:
    """Keep that an administrator reads what is another's, before its first byte."""
    if identity.is_admin:
        async with database.transaction() as session:
            reader = await users.get(session, identity.email)
            if reader is None or reader.id != job.owner_id:
                await note(session, identity, action, job, path)


class Audit:
    """The log, for those who may read it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(
        self,
        identity: Identity,
        *,
        first: int,
        before: int | None = None,
        job_id: str | None = None,
        actor: str | None = None,
    ) -> AuditPage:
        """A page of the log, newest first: entries older than `before`, about one job, by one person.

        Raises:
            Forbidden: the caller is no administrator.
        """
        if not identity.is_admin:
            raise Forbidden("Only administrators may read the audit log.")
        async with self._database.reading() as session:
            rows = await audit.page(session, first=first + 1, before=before, job_id=job_id, actor=actor)
        return AuditPage(rows[:first], has_next=len(rows) > first)
