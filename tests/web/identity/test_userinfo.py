"""Opaque tokens: a real platform says whose they are, is asked seldom, and may be away."""

import asyncio
from datetime import timedelta

import httpx
import pytest

from gql_gateway.core.errors import Unauthenticated, Unavailable
from gql_gateway.core.identity import Identity, Role
from gql_gateway.store.database import Database
from gql_gateway.web.auth import ApiTokens, Authenticator
from gql_gateway.web.oidc import JwtTokens
from gql_gateway.web.userinfo import UserinfoTokens
from tests.web.identity.conftest import CLAIMS
from tests.web.identity.provider import PROVIDERS_OWN, OpenIdProvider, running

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings(PROVIDERS_OWN)]

ADA = Identity("Ada.L@example.org", "Ada Lovelace", Role.ADMIN, "userinfo ada")


async def test_a_token_of_a_sign_in_says_who_asks(opaque: UserinfoTokens, provider: OpenIdProvider) -> None:
    assert await opaque.identify(provider.sign_in()["access_token"]) == ADA


async def test_the_platform_is_asked_once_also_by_many_at_once(
    opaque: UserinfoTokens, provider: OpenIdProvider
) -> None:
    token = provider.sign_in()["access_token"]
    provider.asked.clear()
    assert await asyncio.gather(*(opaque.identify(token) for _ in range(20))) == [ADA] * 20
    assert await opaque.identify(token) == ADA
    assert provider.asked == ["/userinfo"]


async def test_who_gives_up_does_not_take_the_others_along(opaque: UserinfoTokens, provider: OpenIdProvider) -> None:
    token = provider.sign_in()["access_token"]
    first, second = (asyncio.create_task(opaque.identify(token)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    assert await second == ADA


async def test_an_answer_is_believed_for_a_bounded_time(provider: OpenIdProvider, http: httpx.AsyncClient) -> None:
    tokens = UserinfoTokens(provider.userinfo_url, http, CLAIMS, seconds=0)
    token = provider.sign_in()["access_token"]
    held = {token: ADA, "another": Identity("a@b.org", "A", credential="token 1")}
    assert await tokens.identify(token) == ADA
    assert await tokens.ended(held) == {}
    provider.withdrawn.add(token)
    assert await tokens.ended(held) == {token: "The identity provider does not take this token."}
    with pytest.raises(Unauthenticated, match="does not take this token"):
        await tokens.identify(token)


async def test_a_made_up_token_is_asked_about_once(opaque: UserinfoTokens, provider: OpenIdProvider) -> None:
    for _ in range(3):
        with pytest.raises(Unauthenticated, match="does not take this token"):
            await opaque.identify("made-up")
    assert provider.asked == ["/userinfo"]


@pytest.mark.parametrize("token", ["é", "a\nb", "x" * 8193])
async def test_what_cannot_be_a_token_is_not_asked_about(
    opaque: UserinfoTokens, provider: OpenIdProvider, token: str
) -> None:
    assert await opaque.identify(token) is None
    assert provider.asked == []


@pytest.mark.parametrize(("sub", "words"), [("eve", "is not verified"), ("nobody", "names no e-mail address")])
async def test_an_address_must_be_there_and_verified(
    opaque: UserinfoTokens, provider: OpenIdProvider, sub: str, words: str
) -> None:
    with pytest.raises(Unauthenticated, match=words):
        await opaque.identify(provider.sign_in(sub)["access_token"])


async def test_a_platform_that_is_away_is_no_reason_to_call_a_token_bad(http: httpx.AsyncClient) -> None:
    with running() as provider:
        tokens = UserinfoTokens(provider.userinfo_url, http, CLAIMS, seconds=0)
        token = provider.sign_in()["access_token"]
        assert await tokens.identify(token)
        provider.failing = True
        with pytest.raises(Unavailable, match="as one does"):
            await tokens.identify(token)
    with pytest.raises(Unavailable, match="does not answer"):
        await tokens.identify(token)
    assert await tokens.ended({token: ADA}) == {}, "an open stream goes on for a while"


async def test_all_three_kinds_of_tokens_at_one_door(
    opaque: UserinfoTokens, jwts: JwtTokens, provider: OpenIdProvider, database: Database
) -> None:
    own = ApiTokens(database)
    door = Authenticator([own, jwts, opaque])
    _, made = await own.create("a@b.org", "A", Role.USER, timedelta(days=1))
    signed = provider.sign_in()
    tokens = [made, signed["id_token"], signed["access_token"]]
    who = [await door.authenticate(f"Bearer {token}") for token in tokens]
    assert [each and each.credential.partition(" ")[0] for each in who] == ["token", "oidc", "userinfo"]
    assert [each and each.email for each in who] == ["a@b.org", ADA.email, ADA.email]


async def test_a_bad_jwt_is_not_tried_as_an_opaque_token(
    opaque: UserinfoTokens, jwts: JwtTokens, provider: OpenIdProvider
) -> None:
    """Else a token for another audience would come in by the door beside."""
    provider.asked.clear()
    with pytest.raises(Unauthenticated, match="audience"):
        await Authenticator([jwts, opaque]).authenticate(f"Bearer {provider.sign(aud='another')}")
    assert "/userinfo" not in provider.asked
