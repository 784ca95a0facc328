"""Rows to test with, and how to listen."""

from datetime import UTC, datetime
from typing import Any

from gql_gateway.core.ids import new_id
from gql_gateway.core.states import JobState
from gql_gateway.store import events, jobs, users
from gql_gateway.store.database import Database
from gql_gateway.store.signals import Bell
from gql_gateway.store.tables import Job, User

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
SOON, NEVER = 10.0, 0.05
"""Seconds: the bound for what must come, and how long to listen for what must not."""


async def a_user(database: Database, email: str = "ada@example.org") -> User:
    async with database.transaction() as session:
        return await users.create(session, email, "Ada")


def unsaved_job(owner: User, **values: Any) -> Job:
    job_id = new_id()
    defaults: dict[str, Any] = {
        "id": job_id,
        "owner_id": owner.id,
        "cluster": "local",
        "name": "water",
        "spec": {"image": "docker://busybox", "args": ["é", 1, None]},
        "folder": f"{owner.folder}/{job_id}",
        "script": "#!/bin/sh\n",
        "script_sha256": "0" * 64,
        "created_at": NOW,
        "prepared": True,
    }
    return Job(**(defaults | values))


async def a_job(database: Database, owner: User | None = None, **values: Any) -> Job:
    """A job that can be seen, with its first event."""
    owner = owner or await a_user(database)
    async with database.transaction() as session:
        job = await jobs.add(session, unsaved_job(owner, **values))
        await events.append(session, job, previous=None, at=NOW)
    return job


async def stored(database: Database, job: Job) -> Job:
    async with database.reading() as session:
        found = await jobs.get(session, job.id, owner_id=None)
    assert found is not None
    return found


async def move(database: Database, job: Job, *states: JobState) -> None:
    for state in states:
        async with database.transaction() as session:
            assert await jobs.advance(session, job, state, at=NOW)


async def quiet(bell: Bell) -> None:
    """Wait until what beginning to listen may have rung is over."""
    while await bell.wait(NEVER):
        pass
