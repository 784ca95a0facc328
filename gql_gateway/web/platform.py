"""Tokens of the platform that users come from: JWTs, opaque ones, or both, asked about over one HTTP client."""

import httpx

from gql_gateway.web.claims import ClaimRules
from gql_gateway.web.oidc import JwtRules, JwtTokens
from gql_gateway.web.userinfo import UserinfoTokens

SECONDS = 5.0
"""How long the platform may take to answer; a caller waits that long."""


class Platform:
    """Knows the sources that are configured; `jwt` None: no JWTs, `userinfo_url` None: no opaque tokens."""

    def __init__(
        self, jwt: JwtRules | None, userinfo_url: str | None, userinfo_seconds: float, claims: ClaimRules
    ) -> None:
        self.sources: list[JwtTokens | UserinfoTokens] = []
        self._http = httpx.AsyncClient(timeout=SECONDS) if jwt or userinfo_url else None
        if self._http and jwt:
            self.sources.append(JwtTokens(self._http, jwt, claims))
        if self._http and userinfo_url:
            # Last: to it every token that is of no other kind is an opaque one.
            self.sources.append(UserinfoTokens(userinfo_url, self._http, claims, userinfo_seconds))

    async def check(self) -> None:
        """Ask the platform as it would be asked for a caller.

        Raises:
            Unavailable: with what is wrong.
        """
        for source in self.sources:
            await source.check()

    async def close(self) -> None:
        """Close the connections to the platform."""
        if self._http:
            await self._http.aclose()
