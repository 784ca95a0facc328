"""JWTs of a real provider: whose they are, and every way in which one is not good here."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from gql_gateway.core.errors import Unauthenticated, Unavailable
from gql_gateway.core.identity import Identity, Role
from gql_gateway.web.claims import ClaimRules
from gql_gateway.web.oidc import JwtRules, JwtTokens
from tests.web.identity.conftest import CLAIMS
from tests.web.identity.forgeries import FORGERIES, SIGNATURE, part
from tests.web.identity.provider import AUDIENCE, PROVIDERS_OWN, OpenIdProvider, running

pytestmark = [pytest.mark.anyio, pytest.mark.filterwarnings(PROVIDERS_OWN)]


async def refusal(tokens: JwtTokens, token: str) -> str:
    with pytest.raises(Unauthenticated) as caught:
        await tokens.identify(token)
    return str(caught.value)


async def accepted(tokens: JwtTokens, token: str) -> Identity | None:
    """Whose token it is; None while the provider is not asked again, which it is once a second."""
    try:
        return await tokens.identify(token)
    except Unavailable:
        return None


async def test_a_token_of_a_sign_in_says_who_asks(jwts: JwtTokens, provider: OpenIdProvider) -> None:
    identity = await jwts.identify(provider.sign_in()["id_token"])
    assert identity is not None
    assert identity.expires_at is not None
    assert identity == Identity("Ada.L@example.org", "Ada Lovelace", Role.ADMIN, "oidc ada", identity.expires_at)
    assert 3500 < (identity.expires_at - datetime.now(UTC)).total_seconds() <= 3630


async def test_keys_are_asked_for_once(jwts: JwtTokens, provider: OpenIdProvider) -> None:
    token = provider.sign()
    provider.asked.clear()
    for _ in range(3):
        assert await jwts.identify(token)
    assert provider.asked == ["/.well-known/openid-configuration", "/jwks"]


@pytest.mark.parametrize("token", ["opaque", "a.b", "a.b.c", "a.b.c.d", f"{part({})}.x.y", f"{part([1])}.x.y", "é.é.é"])
async def test_what_is_no_jwt_is_left_to_others(jwts: JwtTokens, provider: OpenIdProvider, token: str) -> None:
    assert await jwts.identify(token) is None
    assert provider.asked == []


@pytest.mark.parametrize("case", FORGERIES)
async def test_what_is_not_good_here(jwts: JwtTokens, provider: OpenIdProvider, case: str) -> None:
    forge, words = FORGERIES[case]
    assert await jwts.identify(provider.sign())
    assert (await refusal(jwts, forge(provider))).startswith(words)


async def test_what_else_a_token_may_carry_is_not_followed(jwts: JwtTokens, provider: OpenIdProvider) -> None:
    """Keys that a token brings along, or says where to find, are nobody's."""
    own = RSAKey.generate_key(2048)
    for header in ({"jwk": own.as_dict(private=False)}, {"jku": f"{provider.issuer}/evil"}, {"x5u": "http://x/"}):
        token = provider.sign(own, header={**header, "kid": "own"})
        assert await refusal(jwts, token) == SIGNATURE
    assert "/evil" not in provider.asked


async def test_clocks_may_differ_a_little(jwts: JwtTokens, provider: OpenIdProvider) -> None:
    now = int(time.time())
    assert await jwts.identify(provider.sign(exp=now - 15, nbf=now + 15, iat=now + 15))


@pytest.mark.parametrize(
    ("claims", "role"),
    [
        ({"realm_access": {"roles": ["hpc-admin"]}}, Role.ADMIN),
        ({"realm_access": {"roles": "x hpc-admin"}}, Role.ADMIN),
        ({"realm_access": {"roles": ["hpc-admins"]}}, Role.USER),
        ({"realm_access": {"roles": [["hpc-admin"]]}}, Role.USER),
        ({"realm_access": ["hpc-admin"]}, Role.USER),
        ({"realm_access": None, "roles": ["hpc-admin"]}, Role.USER),
        ({"realm_access.roles": ["hpc-admin"]}, Role.ADMIN),
    ],
)
async def test_roles(jwts: JwtTokens, provider: OpenIdProvider, claims: dict[str, Any], role: Role) -> None:
    identity = await jwts.identify(provider.sign(**claims))
    assert identity is not None
    assert identity.role is role


async def test_nobody_is_an_administrator_by_default(provider: OpenIdProvider, http: httpx.AsyncClient) -> None:
    tokens = JwtTokens(http, JwtRules(provider.issuer, AUDIENCE), ClaimRules())
    identity = await tokens.identify(provider.sign(roles=["admin", ""], email_verified="true", name=" "))
    assert identity is not None
    assert (identity.role, identity.name) == (Role.USER, "Ada.L@example.org")


async def test_what_cannot_be_stored_is_left_out(jwts: JwtTokens, provider: OpenIdProvider) -> None:
    identity = await jwts.identify(provider.sign(name="A\0d\na" + "x" * 500, sub="s\0"))
    assert identity is not None
    assert (identity.name, identity.credential) == ("Ada" + "x" * 197, "oidc s")


async def test_a_platform_may_be_trusted_with_addresses(provider: OpenIdProvider, http: httpx.AsyncClient) -> None:
    rules = ClaimRules(email="upn", trust_unverified=True)
    tokens = JwtTokens(http, JwtRules(provider.issuer, AUDIENCE), rules)
    identity = await tokens.identify(provider.sign(email_verified=None, upn="x@y.org"))
    assert identity is not None
    assert identity.email == "x@y.org"


@pytest.mark.parametrize("named", [True, False])
async def test_a_key_that_was_changed_is_found(http: httpx.AsyncClient, named: bool) -> None:
    """Whether tokens name their key or not, as the provider's own do not."""
    with running() as first:
        tokens = JwtTokens(http, JwtRules(first.issuer, AUDIENCE, keys_again=timedelta()), CLAIMS)
        old = first.sign() if named else first.sign_in()["id_token"]
        assert await tokens.identify(old)
        port = int(first.issuer.rpartition(":")[2])
    with running(port) as second:
        assert await tokens.identify(second.sign() if named else second.sign_in()["id_token"])
        assert await refusal(tokens, old) == SIGNATURE


async def test_a_changed_key_is_asked_for_at_a_limited_rate(http: httpx.AsyncClient) -> None:
    with running() as first:
        rules = JwtRules(first.issuer, AUDIENCE)
        tokens = JwtTokens(http, rules, CLAIMS)
        old = first.sign()
        assert await tokens.identify(old)
        port = int(first.issuer.rpartition(":")[2])
    with running(port) as second:
        unlucky = second.sign()
        second.asked.clear()
        # At a limited rate: the keys were asked for a moment ago.
        assert await refusal(tokens, unlucky) == SIGNATURE
        assert second.asked == []
        fresh = JwtTokens(http, rules, CLAIMS)
        assert await fresh.identify(second.sign())
        assert await refusal(fresh, old) == SIGNATURE


async def test_made_up_key_ids_do_not_trouble_the_provider(jwts: JwtTokens, provider: OpenIdProvider) -> None:
    key = RSAKey.generate_key(2048)
    assert await jwts.identify(provider.sign())
    provider.asked.clear()
    for number in range(20):
        assert await refusal(jwts, provider.sign(key, header={"kid": f"made up {number}"})) == SIGNATURE
    assert provider.asked == []


async def test_a_provider_that_is_away_is_no_reason_to_call_a_token_bad(http: httpx.AsyncClient) -> None:
    with running() as provider:
        token, issuer = provider.sign(), provider.issuer
        known = JwtTokens(http, JwtRules(issuer, AUDIENCE), CLAIMS)
        assert await known.identify(token)
    fresh = JwtTokens(http, JwtRules(issuer, AUDIENCE), CLAIMS)
    for _ in range(2):
        with pytest.raises(Unavailable, match="The identity provider does not answer"):
            await fresh.identify(token)
    assert await known.identify(token), "keys that are known go on to work"


async def test_a_new_key_of_a_provider_that_is_away_is_not_called_bad(http: httpx.AsyncClient) -> None:
    with running() as provider:
        tokens = JwtTokens(http, JwtRules(provider.issuer, AUDIENCE, keys_again=timedelta()), CLAIMS)
        assert await tokens.identify(provider.sign())
        perhaps_new = provider.sign(RSAKey.generate_key(2048), header={"kid": "perhaps new"})
        known = provider.sign()
        provider.failing = True
        with pytest.raises(Unavailable, match="as one does"):
            await tokens.identify(perhaps_new)
        assert await tokens.identify(known)


async def test_a_provider_that_comes_back_is_asked_again(http: httpx.AsyncClient) -> None:
    with running() as provider:
        tokens = JwtTokens(http, JwtRules(provider.issuer, AUDIENCE), CLAIMS)
        provider.failing = True
        with pytest.raises(Unavailable, match="as one does") as caught:
            await tokens.identify(jwt.encode({"alg": "ES256"}, {}, ECKey.generate_key("P-256")))
        assert str(caught.value.detail).endswith("openid-configuration answers 500.")
        provider.failing = False
        async with asyncio.timeout(10):
            while not await accepted(tokens, provider.sign()):
                pass


async def test_a_provider_that_speaks_for_another_is_not_believed(
    provider: OpenIdProvider, http: httpx.AsyncClient
) -> None:
    other = f"{provider.issuer}/"
    tokens = JwtTokens(http, JwtRules(other, AUDIENCE), CLAIMS)
    with pytest.raises(Unavailable) as caught:
        await tokens.identify(provider.sign(iss=other))
    assert "calls itself" in str(caught.value.detail)
