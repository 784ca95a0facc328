"""Access tokens of an OpenID provider: JWTs, checked with its keys, for nobody else, for as long as they are good."""

import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from joserfc import jwt
from joserfc.errors import ExpiredTokenError, InvalidClaimError, JoseError, MissingClaimError
from joserfc.jwk import KeySet
from joserfc.util import urlsafe_b64decode

from gql_gateway.core.errors import Unauthenticated
from gql_gateway.core.identity import Identity
from gql_gateway.web.claims import ClaimRules
from gql_gateway.web.provider import Provider

CREDENTIAL = "oidc"
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Asymmetric ones alone: with HS256 a provider's public key would be a password that everybody knows."""

_WORDS = {
    "iss": "This token is from another issuer.",
    "aud": "This token is not for this gateway: its audience is another.",
    "nbf": "This token is not valid yet.",
    "iat": "This token says that it was made in the future.",
}


@dataclass(frozen=True, slots=True)
class JwtRules:
    """What a token must say. `leeway` is how much the clocks may differ.

    `keys_again` is the time between two questions about keys that the issuer did not have.
    """

    issuer: str
    audience: str
    leeway: timedelta = timedelta(seconds=30)
    keys_again: timedelta = timedelta(seconds=10)


class JwtTokens:
    """Knows whose a JWT is. One that is not good here is refused, and never handed to another source."""

    def __init__(self, http: httpx.AsyncClient, rules: JwtRules, claims: ClaimRules) -> None:
        self._provider = Provider(rules.issuer, http, rules.keys_again.total_seconds())
        self._rules = rules
        self._claims = claims

    async def identify(self, token: str) -> Identity | None:
        """Whose token this is; None where it is no JWT.

        Raises:
            Unauthenticated: it is one, and not good here.
            Unavailable: the provider's keys cannot be had.
        """
        header = _header(token)
        if header is None:
            return None
        if header.get("alg") not in ALGORITHMS:
            raise Unauthenticated("This token is signed in a way that is not taken here.")
        key_id = header.get("kid")
        keys = await self._provider.keys(key_id if isinstance(key_id, str) else None)
        claims = _verified(token, keys)
        if claims is None and (newer := await self._provider.newer(keys)):
            claims = _verified(token, newer)
        if claims is None:
            raise Unauthenticated("This token's signature is not one of the identity provider's.")
        self._check(claims)
        return self._claims.identity(claims, CREDENTIAL, self._end(claims))

    async def ended(self, held: Mapping[str, Identity]) -> Mapping[str, str]:  # noqa: ARG002 - as all sources have it
        """None: a signed token is good until it expires, and `Identity.expires_at` says when."""
        return {}

    async def check(self) -> None:
        """Fetch the provider's keys.

        Raises:
            Unavailable: with what is wrong.
        """
        await self._provider.keys(None)

    def _check(self, claims: dict[str, Any]) -> None:
        rules = self._rules
        registry = jwt.JWTClaimsRegistry(
            leeway=int(rules.leeway.total_seconds()),
            iss={"essential": True, "value": rules.issuer},
            aud={"essential": True, "value": rules.audience},
            exp={"essential": True},
        )
        try:
            registry.validate(claims)
        except MissingClaimError as error:
            raise Unauthenticated(f"This token lacks what it must have: {error.claim}.") from None
        except ExpiredTokenError:
            raise Unauthenticated("This token has expired.") from None
        except InvalidClaimError as error:
            raise Unauthenticated(_WORDS.get(error.claim, f"This token's `{error.claim}` is not valid.")) from None

    def _end(self, claims: Mapping[str, Any]) -> datetime:
        try:
            return datetime.fromtimestamp(claims["exp"], UTC) + self._rules.leeway
        except (OverflowError, ValueError, OSError):
            raise Unauthenticated("This token's `exp` is no time.") from None


def _verified(token: str, keys: KeySet) -> dict[str, Any] | None:
    """What a token says; None where none of these keys signed it."""
    try:
        return jwt.decode(token, keys, algorithms=ALGORITHMS).claims
    except (JoseError, ValueError, TypeError):
        return None


def _header(token: str) -> dict[str, Any] | None:
    """The first part of a JWT; None for what is none."""
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - header, claims, signature
        return None
    try:
        header = json.loads(urlsafe_b64decode(parts[0].encode("ascii")))
    except (ValueError, binascii.Error, RecursionError):
        return None
    return header if isinstance(header, dict) and "alg" in header else None
