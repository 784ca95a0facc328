"""What `doctor` says of a platform: that it answers, does not, or takes whatever it is given."""

from collections.abc import AsyncIterator

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

from gql_gateway.core.errors import Unavailable
from gql_gateway.web.claims import ClaimRules
from gql_gateway.web.oidc import JwtRules
from gql_gateway.web.platform import Platform
from gql_gateway.web.userinfo import UserinfoTokens
from tests.web.identity.provider import AUDIENCE, OpenIdProvider
from tests.web.serving import served

pytestmark = pytest.mark.anyio


@pytest.fixture
async def platform(provider: OpenIdProvider) -> AsyncIterator[Platform]:
    one = Platform(JwtRules(provider.issuer, AUDIENCE), provider.userinfo_url, 60, ClaimRules())
    yield one
    await one.close()


async def test_a_platform_that_answers(platform: Platform) -> None:
    await platform.check()


async def test_a_platform_that_does_not(platform: Platform, provider: OpenIdProvider) -> None:
    provider.failing = True
    with pytest.raises(Unavailable, match="as one does"):
        await platform.check()


async def test_none_is_asked_where_none_is_configured() -> None:
    nothing = Platform(None, None, 60, ClaimRules())
    await nothing.check()
    await nothing.close()
    assert nothing.sources == []


async def test_a_platform_that_takes_any_token(http: httpx.AsyncClient) -> None:
    everybody = Starlette(routes=[Route("/", lambda _: JSONResponse({"email": "a@b.org", "email_verified": True}))])
    async with served(everybody) as url:
        with pytest.raises(Unavailable, match="takes any token"):
            await UserinfoTokens(url, http, ClaimRules(), 60).check()


async def test_answers_without_end_are_not_read(http: httpx.AsyncClient) -> None:
    long = Starlette(routes=[Route("/", lambda _: JSONResponse({"email": "x" * 2_000_000}))])
    async with served(long) as url:
        with pytest.raises(Unavailable, match="as one does"):
            await UserinfoTokens(url, http, ClaimRules(), 60).identify("x")
