"""Tokens: what opens the door, and what does not."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gql_gateway.core.errors import ErrorCode, Refused, Unauthenticated
from gql_gateway.core.identity import Identity, Role
from gql_gateway.store import tokens
from gql_gateway.store.database import Database
from gql_gateway.web.auth import ApiTokens, Authenticator, canonical_email

pytestmark = pytest.mark.anyio


@pytest.fixture
def door(database: Database) -> Authenticator:
    return Authenticator([ApiTokens(database)])


async def refusal(door: Authenticator, authorization: str) -> str:
    with pytest.raises(Unauthenticated) as caught:
        await door.authenticate(authorization)
    return str(caught.value)


async def test_a_token_says_who_asks(database: Database, door: Authenticator) -> None:
    row, token = await ApiTokens(database).create("A.B@Example.ORG", "A B", Role.ADMIN, timedelta(days=1))
    for scheme in ("Bearer", "bearer", "BEARER "):
        assert await door.authenticate(f"{scheme} {token}") == Identity(
            "A.B@example.org", "A B", Role.ADMIN, credential=f"token {row.id}", expires_at=row.expires_at
        )


async def test_no_header_is_nobody(door: Authenticator) -> None:
    assert await door.authenticate(None) is None


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic dTpw", "gqlgw_x"])
async def test_what_is_no_bearer_token(door: Authenticator, header: str) -> None:
    assert "must be `Bearer`" in await refusal(door, header)


async def test_an_unknown_token_gets_the_same_words_as_any_other(database: Database, door: Authenticator) -> None:
    _, token = await ApiTokens(database).create("a@b.org", "A", Role.USER, None)
    words = {await refusal(door, f"Bearer {wrong}") for wrong in ("x", "gqlgw_x", token[:-1], token + "A", "é" * 9)}
    assert words == {"This token is not valid here."}


async def test_a_revoked_token_is_out_at_once(database: Database, door: Authenticator) -> None:
    row, token = await ApiTokens(database).create("a@b.org", "A", Role.USER, None)
    assert await door.authenticate(f"Bearer {token}")
    assert await ApiTokens(database).revoke(row.id)
    assert await refusal(door, f"Bearer {token}") == "This token was revoked."
    assert not await ApiTokens(database).revoke(row.id)


async def test_an_expired_token_is_out(database: Database, door: Authenticator) -> None:
    _, token = await ApiTokens(database).create("a@b.org", "A", Role.USER, timedelta(microseconds=1))
    assert await refusal(door, f"Bearer {token}") == "This token has expired."


async def test_only_a_hash_is_kept(database: Database, tmp_path: Path) -> None:
    _, token = await ApiTokens(database).create("a@b.org", "A", Role.USER, None)
    await database.close()
    kept = (tmp_path / "gateway.db").read_bytes()
    assert b"a@b.org" in kept
    assert token.removeprefix("gqlgw_").encode() not in kept


async def test_use_is_written_down_once_a_minute(database: Database, door: Authenticator) -> None:
    row, token = await ApiTokens(database).create("a@b.org", "A", Role.USER, None)

    async def last_used() -> datetime | None:
        await door.authenticate(f"Bearer {token}")
        return (await ApiTokens(database).every())[0].last_used_at

    first = await last_used()
    assert first is not None
    assert await last_used() == first
    async with database.transaction() as session:
        await tokens.touch(session, row.id, at=datetime.now(UTC) + timedelta(minutes=2))
    assert await last_used() == (await ApiTokens(database).every())[0].last_used_at


async def test_a_store_that_cannot_be_written_keeps_nobody_out(database: Database, tmp_path: Path) -> None:
    _, token = await ApiTokens(database).create("a@b.org", "A", Role.USER, None)
    full = Database(f"sqlite+aiosqlite:///file:{tmp_path}/gateway.db?mode=ro&uri=true")
    try:
        assert await ApiTokens(full).identify(token)
    finally:
        await full.close()


@pytest.mark.parametrize("email", ["", "a", "@b.org", "a@", "a b@c.org", "a@b@c.org", "a@b.org\n", "a@b c"])
def test_what_is_no_address(email: str) -> None:
    with pytest.raises(Refused) as caught:
        canonical_email(email)
    assert caught.value.code is ErrorCode.INVALID_INPUT
