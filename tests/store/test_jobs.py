"""Jobs are added once, found by those who may, and listed newest first, whatever is added meanwhile."""

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import select

from gql_gateway.core.order import Direction, Order, OrderField, Place
from gql_gateway.core.states import JobState
from gql_gateway.store import jobs, listing, pages
from gql_gateway.store.database import Database
from gql_gateway.store.pages import Page, Part
from gql_gateway.store.tables import Job, JobLabel, User
from tests.store.rows import NOW, a_job, a_user, unsaved_job


async def page(database: Database, owner: User | None = None, **arguments: Any) -> Page:
    """A page, the same whether it is one owner's alone or one of several owners' at once."""
    part = Part(**{one.name: arguments.pop(one.name) for one in fields(Part) if one.name in arguments})
    found = await pages.page(database, owner.id if owner else None, part, **arguments)
    if owner:
        each = await pages.pages(database, [owner.id, "nobody"], part, **arguments)
        assert (each[owner.id], each["nobody"].rows) == (found, [])
    return found


def ids(rows: Sequence[Job]) -> list[str]:
    return [job.id for job in rows]


async def test_a_job_comes_back_as_it_was(database: Database, second: Database) -> None:
    job = await a_job(database, idempotency_key="k", input_sha256="1" * 64)
    async with second.reading() as session:
        assert await jobs.get(session, job.id, owner_id=job.owner_id) == job
        assert await jobs.get(session, job.id, owner_id=None) == job
        assert await jobs.get(session, job.id, owner_id="another") is None
        assert await jobs.get_many(session, [job.id, "nothing"]) == [job]
        assert await jobs.get_many(session, [job.id], owner_id="another") == []
        assert await jobs.by_key(session, job.owner_id, "k") == job
        assert await jobs.by_key(session, "another", "k") is None


async def test_one_is_shown_with_what_is_wanted_of_it(database: Database, second: Database) -> None:
    job = await a_job(database, idempotency_key="k", input_sha256="1" * 64)
    assert await listing.find(second, job.id, owner_id=job.owner_id) == job
    assert await listing.find(second, job.id, owner_id="another") is None
    row = await listing.show(second, job.id, owner_id=None, columns=frozenset({"state", "created_at"}))
    assert row
    assert (row.id, row.state, row.created_at) == (job.id, job.state, job.created_at)
    with pytest.raises(AttributeError):
        row.script  # noqa: B018 - it is not there
    async with database.transaction() as session:
        await jobs.advance(session, job, JobState.LAUNCHING, at=NOW)
    changed = await listing.show(second, job.id, owner_id=None)
    assert changed
    assert changed.state is JobState.LAUNCHING, "at once, also by another process's connection"


async def test_what_is_unfinished_or_going_is_invisible(database: Database) -> None:
    owner = await a_user(database)
    unmade = await a_job(database, owner, prepared=False, idempotency_key="k")
    going = await a_job(database, owner, deleted_at=NOW + timedelta(hours=1))
    shown = await a_job(database, owner)
    assert ids((await page(database, owner, first=10)).rows) == [shown.id]
    async with database.reading() as session:
        assert await jobs.get(session, unmade.id, owner_id=None) is None
        assert await jobs.get_many(session, [unmade.id, going.id]) == []
        assert await jobs.count_by_state(session, owner_id=None) == {JobState.CREATED: 1}
        assert await jobs.by_key(session, owner.id, "k") == unmade
        assert ids(await jobs.abandoned(session, "local", NOW)) == []
        assert ids(await jobs.abandoned(session, "local", NOW + timedelta(minutes=1))) == [unmade.id]
        later = await jobs.abandoned(session, "local", NOW + timedelta(days=1))
        assert set(ids(later)) == {unmade.id, going.id}
        assert await jobs.abandoned(session, "other", NOW + timedelta(days=1)) == []


async def test_an_idempotency_key_makes_one_job_whoever_comes_first(database: Database, second: Database) -> None:
    owner, other = await a_user(database), await a_user(database, "bob@example.org")

    async def add(store: Database, user: User) -> str:
        async with store.transaction() as session:
            return (await jobs.add(session, unsaved_job(user, idempotency_key="same"))).id

    made = await asyncio.gather(*(add(store, owner) for store in (database, second) * 5))
    assert len(set(made)) == 1
    assert await add(database, other) not in made


async def test_pages_stay_right_while_jobs_are_added(database: Database) -> None:
    owner = await a_user(database)
    expected = [(await a_job(database, owner)).id for _ in range(25)][::-1]
    seen: list[str] = []
    found = await page(database, owner, first=10)
    assert not found.has_previous
    while True:
        seen += ids(found.rows)
        await a_job(database, owner)
        if not found.has_next:
            break
        found = await page(database, owner, first=10, after=Place(seen[-1]))
        assert found.has_previous
    assert seen == expected
    back = await page(database, owner, last=10, before=Place(seen[-1]))
    assert ids(back.rows) == expected[-11:-1]
    assert (back.has_next, back.has_previous) == (True, True)
    with pytest.raises(ValueError, match="first"):
        await page(database, owner)


def _rank(job: Job, order: Order) -> tuple[object, str]:
    match order.field:
        case OrderField.CREATED_AT:
            return 0, job.id
        case OrderField.NAME:
            return job.name, job.id
        case OrderField.ENDED_AT:
            return job.ended_at or datetime.max.replace(tzinfo=UTC), job.id


@given(
    states=st.none() | st.sets(st.sampled_from([JobState.QUEUED, JobState.FAILED])),
    order=st.builds(Order, st.sampled_from(OrderField), st.sampled_from(Direction)),
    borders=st.tuples(*[st.none() | st.integers(0, 11)] * 2),
    size=st.integers(0, 13),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_page_is_a_slice_of_the_list(
    database: Database, states: set[JobState] | None, order: Order, borders: tuple[int | None, int | None], size: int
) -> None:
    owner = await a_user(database)
    if not (await page(database, first=1)).rows:
        for number in range(12):
            state = JobState.QUEUED if number % 3 else JobState.FAILED
            ended = None if number % 3 else NOW + timedelta(seconds=number * 7 % 5)
            await a_job(database, owner, state=state, ended_at=ended, name=f"water {number % 4}")
    all_of_them = sorted(
        (await page(database, first=100)).rows, key=lambda job: _rank(job, order), reverse=order.descends
    )
    after, before = borders
    wanted = all_of_them[0 if after is None else after + 1 : before]
    expected = [job.id for job in wanted if states is None or job.state in states]
    places = [
        None if one is None else Place(all_of_them[one].id, pages.value_of(all_of_them[one], order.field))
        for one in borders
    ]
    arguments: dict[str, Any] = {"states": states, "after": places[0], "before": places[1], "order": order}
    first = await page(database, owner, first=size, **arguments)
    assert (ids(first.rows), first.has_next) == (expected[:size], len(expected) > size)
    last = await page(database, owner, last=size, **arguments)
    assert (ids(last.rows), last.has_previous) == (expected[max(0, len(expected) - size) :], len(expected) > size)


@pytest.mark.parametrize(
    ("search", "names"),
    [
        ("WATER", ["heavy water", "Water 2"]),
        ("%", []),
        ("_", ["a_b"]),
        ("4711", ["Water 2"]),
        ("471", []),
        (None, ["heavy water", "a_b", "Water 2"]),
    ],
)
async def test_search(database: Database, search: str | None, names: list[str]) -> None:
    owner = await a_user(database)
    for name, slurm_job_id in [("Water 2", "4711"), ("a_b", "12"), ("heavy water", None)]:
        await a_job(database, owner, name=name, slurm_job_id=slurm_job_id)
    assert [job.name for job in (await page(database, owner, first=9, search=search)).rows] == names


async def test_counts(database: Database) -> None:
    ada, bob = await a_user(database), await a_user(database, "bob@example.org")
    for state in (JobState.QUEUED, JobState.QUEUED, JobState.FAILED):
        await a_job(database, ada, state=state)
    await a_job(database, bob, state=JobState.LAUNCHING, cluster="other")
    async with database.reading() as session:
        assert await jobs.count_by_state(session, owner_id=ada.id) == {JobState.QUEUED: 2, JobState.FAILED: 1}
        assert await jobs.count_by_state(session, owner_id=None, states=[]) == {}
        assert await jobs.count_by_state(session, owner_id=None, cluster="other") == {JobState.LAUNCHING: 1}
        assert [await jobs.count_active(session, owner.id) for owner in (ada, bob)] == [2, 1]
        assert [job.owner_id for job in await jobs.active(session, "other")] == [bob.id]
        assert len(await jobs.active(session, "local")) == 2


async def test_active_jobs_come_in_the_order_of_their_launch(database: Database) -> None:
    owner = await a_user(database)
    late = await a_job(database, owner, state=JobState.LAUNCHING, launched_at=NOW + timedelta(seconds=1))
    early = await a_job(database, owner, state=JobState.LAUNCHING, launched_at=NOW)
    async with database.reading() as session:
        assert ids(await jobs.active(session, "local")) == [early.id, late.id]


async def test_jobs_are_found_by_labels_and_time(database: Database) -> None:
    owner = await a_user(database)
    spec = {"labels": [{"key": "project", "value": "water"}, {"key": "step", "value": "1"}]}
    labelled = await a_job(database, owner, spec=spec, created_at=NOW - timedelta(days=1))
    plain = await a_job(database, owner)
    for filters, found in (
        ({"labels": [("project", "water")]}, [labelled.id]),
        ({"labels": [("project", "water"), ("step", "1")]}, [labelled.id]),
        ({"labels": [("project", "water"), ("step", "2")]}, []),
        ({"labels": []}, [plain.id, labelled.id]),
        ({"since": NOW}, [plain.id]),
        ({"until": NOW}, [labelled.id]),
    ):
        assert ids((await page(database, owner, first=9, **filters)).rows) == found
        async with database.reading() as session:
            counts = await jobs.count_by_state(session, owner_id=owner.id, **filters)  # type: ignore[arg-type]
        assert sum(counts.values()) == len(found)
    async with database.transaction() as session:
        await jobs.remove(session, labelled)
        assert not list(await session.exec(select(JobLabel)))


def test_a_row_has_its_attributes_though_nothing_was_made_or_read_before() -> None:
    words = "from gql_gateway.store.tables import Job, made; print(made(Job, id='x', state='QUEUED').state)"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout == "QUEUED\n"
