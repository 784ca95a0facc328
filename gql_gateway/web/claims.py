"""From a platform's claims about a person to an identity: which claim says what is the operator's to set."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gql_gateway.core.errors import Refused, Unauthenticated
from gql_gateway.core.identity import Identity, Role, canonical_email

_LONGEST = 200


@dataclass(frozen=True, slots=True)
class ClaimRules:
    """Names of the claims, with dots for one inside another, and what they must say.

    Who has one of `admin_roles` is an administrator. `verified` must be true, unless `trust_unverified`.
    """

    email: str = "email"
    verified: str = "email_verified"
    name: str = "name"
    roles: str = "roles"
    admin_roles: Sequence[str] = ()
    trust_unverified: bool = False

    def identity(self, claims: Mapping[str, Any], credential: str, expires_at: datetime | None) -> Identity:
        """Who the claims are about.

        Raises:
            Unauthenticated: they name no e-mail address, or one that nobody verified.
        """
        email = self._email(claims)
        name = _printed(_find(claims, self.name))
        return Identity(
            email=email,
            name=name if name.strip() else email,
            role=Role.ADMIN if _words(_find(claims, self.roles)) & set(self.admin_roles) else Role.USER,
            credential=f"{credential} {_printed(claims.get('sub'))}",
            expires_at=expires_at,
        )

    def _email(self, claims: Mapping[str, Any]) -> str:
        email = _find(claims, self.email)
        if not isinstance(email, str):
            raise Unauthenticated(f"This token names no e-mail address: it has no claim `{self.email}`.")
        # Whoever may claim any address would be whoever they like here.
        if not self.trust_unverified and not _is_true(_find(claims, self.verified)):
            raise Unauthenticated(f"The e-mail address {email!r} is not verified: `{self.verified}` is not true.")
        try:
            return canonical_email(email)
        except Refused as refused:
            raise Unauthenticated(str(refused)) from None


def _find(claims: Mapping[str, Any], name: str) -> Any:
    """The claim of this name, or the one that it leads to: `realm_access.roles`, but also `https://example.org/roles`."""
    if name in claims:
        return claims[name]
    outer, _, inner = name.partition(".")
    within = claims.get(outer)
    return _find(within, inner) if inner and isinstance(within, Mapping) else None


def _words(value: object) -> set[str]:
    """Roles, as a list or as one text with spaces."""
    if isinstance(value, str):
        return set(value.split())
    return {word for word in value if isinstance(word, str)} if isinstance(value, list) else set()


def _printed(text: object) -> str:
    """A text as it can be printed and stored: without control characters and half surrogate pairs, and not too long."""
    characters = filter(str.isprintable, text) if isinstance(text, str) else ()
    return "".join(characters)[:_LONGEST]


def _is_true(value: object) -> bool:
    """Whether a claim says yes; some platforms write the word and not the value."""
    return value is True or value == "true"
