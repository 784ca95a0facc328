"""Users are made once, and no two share a folder."""

import asyncio
from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gql_gateway.core.paths import user_folder, user_folder_with_hash
from gql_gateway.store import users
from gql_gateway.store.database import Database
from gql_gateway.store.tables import User


async def create(database: Database, email: str) -> User:
    async with database.transaction() as session:
        return await users.create(session, email, "A name")


async def test_the_folder_is_what_the_address_spells(database: Database) -> None:
    user = await create(database, "materials.marketplace@example.org")
    assert user.folder == "materials_marketplace"
    assert (await create(database, "materials.marketplace@example.org")).id == user.id
    async with database.reading() as session:
        assert await users.get(session, "materials.marketplace@example.org") == user
        assert await users.get(session, "nobody@example.org") is None
        assert await users.get_many(session, [user.id, "nobody"]) == [user]


async def test_a_taken_folder_is_told_apart_by_a_hash(database: Database) -> None:
    await create(database, "a.b@example.org")
    other = await create(database, "a-b@example.org")
    assert other.folder == user_folder_with_hash("a-b@example.org")
    impostor = await create(database, f"{other.folder}@example.org")
    assert impostor.folder not in {"a_b", other.folder}


async def test_an_address_that_spells_nothing_has_a_folder_all_the_same(database: Database) -> None:
    assert (await create(database, "@example.org")).folder


@given(emails=st.lists(st.from_regex(r"[ab.]{1,3}@[xy]", fullmatch=True), max_size=12))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_folders_are_nobody_elses(database: Database, emails: list[str]) -> None:
    made = [await create(database, email) for email in emails]
    for email, user in zip(emails, made, strict=True):
        assert user.email == email
        assert user.folder in {user_folder(email), user_folder_with_hash(email)}
    assert len({user.folder for user in made}) == len(set(emails))


async def test_many_at_once_make_one_user_each_with_a_folder_of_its_own(database: Database, second: Database) -> None:
    emails = [f"a{mark}b@example.org" for mark in ".-+_"] * 5
    made = await asyncio.gather(
        *(create((database, second)[number % 2], email) for number, email in enumerate(emails)),
    )
    assert set(Counter(user.id for user in made).values()) == {5}
    assert len({user.folder for user in made}) == 4
    assert sum(user.folder == "a_b" for user in made) == 5
