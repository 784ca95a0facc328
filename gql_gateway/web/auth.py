"""Who asks: from an `Authorization` header to an identity, by whichever source knows the token."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from gql_gateway.core.errors import Unauthenticated
from gql_gateway.core.identity import Identity
from gql_gateway.core.identity import canonical_email as canonical_email
from gql_gateway.services.tokens import UNKNOWN
from gql_gateway.services.tokens import ApiTokens as ApiTokens


class TokenSource(Protocol):
    """A kind of tokens."""

    async def identify(self, token: str) -> Identity | None:
        """Whose token this is; None where it is not of this kind.

        Raises:
            Unauthenticated: it is of this kind, and not valid.
            Unavailable: who could say does not answer.
        """

    async def ended(self, held: Mapping[str, Identity]) -> Mapping[str, str]:
        """Those of these tokens, each with whose it is, that are of this kind and stopped working; with the reasons.

        Raises:
            Unavailable: who could say does not answer; then they all work on.
        """


class Authenticator:
    """Asks each source in turn."""

    def __init__(self, sources: Sequence[TokenSource]) -> None:
        self._sources = sources

    async def authenticate(self, authorization: str | None) -> Identity | None:
        """Identity behind an `Authorization` header; None without one.

        Raises:
            Unauthenticated: no source takes the token.
            Unavailable: who could say whose it is does not answer.
        """
        if authorization is None:
            return None
        token = bearer(authorization)
        for source in self._sources:
            if identity := await source.identify(token):
                return identity
        raise Unauthenticated(UNKNOWN)


def bearer(authorization: str) -> str:
    """The token in an `Authorization` header.

    Raises:
        Unauthenticated: there is none.
    """
    scheme, _, token = authorization.strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise Unauthenticated("The Authorization header must be `Bearer` and a token.")
    return token
