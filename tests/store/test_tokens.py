"""Tokens are found by their hash, end when they are revoked, and note when they were used."""

from datetime import timedelta
from typing import Any, cast

from gql_gateway.core.identity import Role
from gql_gateway.store import tokens
from gql_gateway.store.database import Database
from gql_gateway.store.tables import ApiToken
from tests.store.rows import NOW


async def a_token(database: Database, digest: str, email: str = "ada@example.org") -> ApiToken:
    async with database.transaction() as session:
        return await tokens.create(
            session, token_sha256=digest, email=email, name="Ada", role=Role.ADMIN, created_at=NOW, expires_at=NOW
        )


async def found(database: Database, digest: str) -> ApiToken | None:
    row = await tokens.by_hash(database, digest)
    return ApiToken(**cast("Any", row)._asdict()) if row else None


async def test_it_is_found_by_its_hash(database: Database) -> None:
    token = await a_token(database, "1" * 64)
    assert await found(database, "1" * 64) == token
    assert token.role is Role.ADMIN
    assert await found(database, "2" * 64) is None


async def test_lists(database: Database) -> None:
    first = await a_token(database, "1" * 64)
    second = await a_token(database, "2" * 64, "bob@example.org")
    async with database.reading() as session:
        assert await tokens.every(session) == sorted([first, second], key=lambda token: token.id)
        assert await tokens.every(session, email="bob@example.org") == [second]


async def test_it_is_revoked_once(database: Database) -> None:
    token = await a_token(database, "1" * 64)
    async with database.transaction() as session:
        assert await tokens.revoke(session, token.id, at=NOW)
        assert not await tokens.revoke(session, token.id, at=NOW + timedelta(days=1))
        assert not await tokens.revoke(session, "nothing", at=NOW)
    revoked = await found(database, "1" * 64)
    assert revoked is not None
    assert revoked.revoked_at == NOW


async def test_its_use_is_noted_at_most_once_a_minute(database: Database) -> None:
    token = await a_token(database, "1" * 64)
    async with database.transaction() as session:
        assert await tokens.touch(session, token.id, at=NOW)
        assert not await tokens.touch(session, token.id, at=NOW + timedelta(seconds=59))
        assert await tokens.touch(session, token.id, at=NOW + timedelta(seconds=60))
