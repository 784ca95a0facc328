"""Who asks: from an `Authorization` header to an identity, by whichever source knows the token."""

import hashlib
import hmac
import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog

from gql_gateway.core.errors import ErrorCode, Unauthenticated, refuse
from gql_gateway.core.identity import Identity, Role
from gql_gateway.store import tokens
from gql_gateway.store.database import Database
from gql_gateway.store.tables import ApiToken

log = structlog.get_logger()

PREFIX = "gqlgw_"
LAST_USED_GRAIN = timedelta(minutes=1)

_EMAIL = re.compile(r"[^@\s\x00-\x1f]{1,64}@[A-Za-z0-9.-]{1,255}")
_UNKNOWN = "This token is not valid here."


class TokenSource(Protocol):
    """A kind of tokens."""

    async def identify(self, token: str) -> Identity | None:
        """Whose token this is; None where it is not of this kind.

        Raises:
            Unauthenticated: it is of this kind, and not valid.
            Unavailable: who could say does not answer.
        """


class Authenticator:
    """Asks each source in turn."""

    def __init__(self, sources: Sequence[TokenSource]) -> None:
        self._sources = sources

    async def authenticate(self, authorization: str | None) -> Identity | None:
        """Identity behind an `Authorization` header; None without one.

        Raises:
            Unauthenticated: no source takes the token.
        """
        if authorization is None:
            return None
        scheme, _, token = authorization.strip().partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("The Authorization header must be `Bearer` and a token.")
        for source in self._sources:
            if identity := await source.identify(token):
                return identity
        raise Unauthenticated(_UNKNOWN)


class ApiTokens:
    """The gateway's own tokens: 256 random bits, of which only the SHA-256 is kept."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def identify(self, token: str) -> Identity | None:
        """Whose token this is; None where it does not begin like one of the gateway's.

        Raises:
            Unauthenticated: unknown, revoked or expired.
        """
        if not token.startswith(PREFIX):
            return None
        now = datetime.now(UTC)
        async with self._database.reading() as session:
            row = await tokens.by_hash(session, _hash(token))
        if row is None or not hmac.compare_digest(row.token_sha256, _hash(token)):
            raise Unauthenticated(_UNKNOWN)
        _check(row, now)
        await self._note_use(row, now)
        return Identity(row.email, row.name, row.role, credential=f"token {row.id}", expires_at=row.expires_at)

    async def create(self, email: str, name: str, role: Role, lifetime: timedelta | None) -> tuple[ApiToken, str]:
        """Make a token; its text is returned here and kept nowhere.

        Raises:
            Refused: INVALID_INPUT for an e-mail address that is none.
        """
        token = PREFIX + secrets.token_urlsafe(32)
        now = datetime.now(UTC)
        async with self._database.transaction() as session:
            row = await tokens.create(
                session,
                token_sha256=_hash(token),
                email=canonical_email(email),
                name=name,
                role=role,
                created_at=now,
                expires_at=now + lifetime if lifetime else None,
            )
        return row, token

    async def every(self) -> list[ApiToken]:
        """All tokens, oldest first."""
        async with self._database.reading() as session:
            return await tokens.every(session)

    async def revoke(self, token_id: str) -> bool:
        """End a token now; False where there is none with this id, or it was revoked before."""
        async with self._database.transaction() as session:
            return await tokens.revoke(session, token_id, at=datetime.now(UTC))

    async def _note_use(self, row: ApiToken, now: datetime) -> None:
        """Write down when a token was last used, at most once a minute: a request is no reason to write.

        A store that cannot be written (a full disk) keeps nobody out: reading is all that a token needs.
        """
        if row.last_used_at is not None and now - row.last_used_at < LAST_USED_GRAIN:
            return
        try:
            async with self._database.transaction() as session:
                await tokens.touch(session, row.id, at=now)
        except Exception as error:  # noqa: BLE001 - whatever a store says that cannot be written
            log.warning("a token's use was not noted", token=row.id, error=repr(error))


def canonical_email(email: str) -> str:
    """The address as the key of a user: the part behind `@` in lower case.

    Raises:
        Refused: INVALID_INPUT.
    """
    if not _EMAIL.fullmatch(email):
        raise refuse(ErrorCode.INVALID_INPUT, f"{email!r} is no e-mail address.", "email")
    local, _, domain = email.rpartition("@")
    return f"{local}@{domain.lower()}"


def _check(row: ApiToken, now: datetime) -> None:
    if row.revoked_at is not None:
        raise Unauthenticated("This token was revoked.")
    if row.expires_at is not None and row.expires_at <= now:
        raise Unauthenticated("This token has expired.")


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
