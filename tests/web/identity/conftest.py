"""A provider that answers, and the sources that ask it."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from gql_gateway.web.claims import ClaimRules
from gql_gateway.web.oidc import JwtRules, JwtTokens
from gql_gateway.web.userinfo import UserinfoTokens
from tests.web.identity.provider import AUDIENCE, OpenIdProvider, running

CLAIMS = ClaimRules(roles="realm_access.roles", admin_roles=("hpc-admin",))


@pytest.fixture(scope="module")
def shared_provider() -> Iterator[OpenIdProvider]:
    with running() as one:
        yield one


@pytest.fixture
def provider(shared_provider: OpenIdProvider) -> OpenIdProvider:
    """A provider that works, and has not been asked."""
    shared_provider.failing = False
    shared_provider.asked.clear()
    return shared_provider


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=5) as one:
        yield one


@pytest.fixture
def jwts(provider: OpenIdProvider, http: httpx.AsyncClient) -> JwtTokens:
    return JwtTokens(http, JwtRules(provider.issuer, AUDIENCE), CLAIMS)


@pytest.fixture
def opaque(provider: OpenIdProvider, http: httpx.AsyncClient) -> UserinfoTokens:
    return UserinfoTokens(provider.userinfo_url, http, CLAIMS, seconds=60)
