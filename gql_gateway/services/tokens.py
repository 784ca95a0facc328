"""The gateway's own API tokens: 256 random bits, of which only the SHA-256 is kept."""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog

from gql_gateway.core.audit import AuditAction
from gql_gateway.core.errors import ErrorCode, Refused, Unauthenticated, refuse
from gql_gateway.core.identity import Identity, Role, canonical_email
from gql_gateway.services.audit import OPERATOR, note
from gql_gateway.store import tokens
from gql_gateway.store.database import Database
from gql_gateway.store.kept import Kept
from gql_gateway.store.tables import ApiToken

log = structlog.get_logger()

PREFIX = "gqlgw_"
CREDENTIAL = "token "
LAST_USED_GRAIN = timedelta(minutes=1)
UNKNOWN = "This token is not valid here."
NAME_CHARACTERS = 100

_REVOKED = "This token was revoked."
_EXPIRED = "This token has expired."


@dataclass(frozen=True, slots=True)
class TokenLimits:
    """What a user may make: tokens that work for at most `lifetime`, at most `tokens` of them at once."""

    lifetime: timedelta = timedelta(days=365)
    tokens: int = 50


@dataclass(frozen=True, slots=True)
class _Known:
    """Whose token one is, while the store stays as it is, until it expires or its use is to be noted again."""

    identity: Identity
    until: datetime


class ApiTokens:
    """Makes, knows and ends tokens."""

    def __init__(self, database: Database, limits: TokenLimits | None = None) -> None:
        self._database = database
        self._limits = limits or TokenLimits()
        self._known: Kept[_Known] = Kept()

    # -- at the door --------------------------------------------------------------------------------------------

    async def identify(self, token: str) -> Identity | None:
        """Whose token this is; None where it does not begin like one of the gateway's.

        Raises:
            Unauthenticated: unknown, revoked or expired.
        """
        if not token.startswith(PREFIX):
            return None
        now = datetime.now(UTC)
        stamp, key = self._database.stamp(), _hash(token)
        if (known := self._known.get(key, stamp)) and now < known.until:
            return known.identity
        row = await tokens.by_hash(self._database, key)
        if row is None or not hmac.compare_digest(row.token_sha256, key):
            raise Unauthenticated(UNKNOWN)
        if reason := _fault(row, now):
            raise Unauthenticated(reason)
        await self._note_use(row, now)
        credential = f"{CREDENTIAL}{row.id}"
        identity = Identity(row.email, row.name, row.role, credential=credential, expires_at=row.expires_at)
        until = (row.last_used_at or now) + LAST_USED_GRAIN
        self._known.put(key, stamp, _Known(identity, min(until, row.expires_at or until)))
        return identity

    async def ended(self, held: Mapping[str, Identity]) -> Mapping[str, str]:
        """Those of these tokens that stopped working, each with the reason: one question to the store for all."""
        ours = {token: _id_of(who) for token, who in held.items() if who.credential.startswith(CREDENTIAL)}
        if not ours:
            return {}
        async with self._database.reading() as session:
            rows = {row.id: row for row in await tokens.by_ids(session, set(ours.values()))}
        now = datetime.now(UTC)
        reasons = {token: _fault(rows.get(key), now) for token, key in ours.items()}
        return {token: reason for token, reason in reasons.items() if reason}

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

    # -- for the operator ---------------------------------------------------------------------------------------

    async def create(self, email: str, name: str, role: Role, lifetime: timedelta | None) -> tuple[ApiToken, str]:
        """Make a token; its text is returned here and kept nowhere.

        Raises:
            Refused: INVALID_INPUT for an e-mail address that is none.
        """
        expires_at = datetime.now(UTC) + lifetime if lifetime else None
        return await self._make(canonical_email(email), name, role, expires_at, OPERATOR)

    async def _make(
        self, email: str, name: str, role: Role, expires_at: datetime | None, by: Identity
    ) -> tuple[ApiToken, str]:
        token = PREFIX + secrets.token_urlsafe(32)
        async with self._database.transaction() as session:
            row = await tokens.create(
                session,
                token_sha256=_hash(token),
                email=email,
                name=name,
                role=role,
                created_at=datetime.now(UTC),
                expires_at=expires_at,
            )
            await note(session, by, AuditAction.CREATE_TOKEN, detail=row.id)
        return row, token

    async def every(self) -> list[ApiToken]:
        """All tokens, oldest first."""
        async with self._database.reading() as session:
            return await tokens.every(session)

    async def revoke(self, token_id: str, *, by: Identity = OPERATOR) -> bool:
        """End a token now; False where there is none with this id, or it was revoked before."""
        async with self._database.transaction() as session:
            revoked = await tokens.revoke(session, token_id, at=datetime.now(UTC))
            if revoked:
                await note(session, by, AuditAction.REVOKE_TOKEN, detail=token_id)
        return revoked

    # -- for a user ---------------------------------------------------------------------------------------------

    async def mine(self, identity: Identity) -> list[ApiToken]:
        """The caller's tokens that still work, newest first."""
        now = datetime.now(UTC)
        async with self._database.reading() as session:
            rows = await tokens.every(session, email=identity.email)
        return [row for row in reversed(rows) if not _fault(row, now)]

    async def create_mine(
        self, identity: Identity, name: str, *, role: Role = Role.USER, expires_at: datetime | None = None
    ) -> tuple[ApiToken, str]:
        """Make a token for the caller, that works until `expires_at` or as long as the limit allows.

        Raises:
            Refused: INVALID_INPUT (name, end, or a role that the caller does not have), LIMIT_EXCEEDED.
        """
        if not (name.isprintable() and name.strip() and len(name) <= NAME_CHARACTERS):
            words = f"A token's name is 1 to {NAME_CHARACTERS} characters that can be printed."
            raise refuse(ErrorCode.INVALID_INPUT, words, "input", "name")
        if role is Role.ADMIN and not identity.is_admin:
            raise refuse(ErrorCode.INVALID_INPUT, "Only administrators have such tokens.", "input", "role")
        end = self._end(identity, expires_at)
        if len(await self.mine(identity)) >= self._limits.tokens:
            words = f"You have {self._limits.tokens} tokens that work, which is the limit: revoke one."
            raise refuse(ErrorCode.LIMIT_EXCEEDED, words)
        return await self._make(identity.email, name, role, end, identity)

    async def revoke_mine(self, identity: Identity, token_id: str | None) -> str:
        """End one of the caller's tokens now; again: no change.

        Raises:
            Refused: NOT_FOUND, in the same words for what is not there and for what is not the caller's.
        """
        async with self._database.reading() as session:
            known = {row.id for row in await tokens.every(session, email=identity.email)}
        if token_id is None or token_id not in known:
            raise _no_such_token()
        await self.revoke(token_id, by=identity)
        return token_id

    def _end(self, identity: Identity, expires_at: datetime | None) -> datetime:
        """When a new token stops working. One that was made with another ends with it at the latest."""
        now = datetime.now(UTC)
        latest = now + self._limits.lifetime
        if identity.expires_at and identity.credential.startswith(CREDENTIAL):
            latest = min(latest, identity.expires_at)
        wanted = expires_at or latest
        if wanted <= now:
            raise refuse(ErrorCode.INVALID_INPUT, "This time is over.", "input", "expiresAt")
        if wanted > latest:
            words = f"A token that you make now ends {latest:%Y-%m-%dT%H:%M:%SZ} at the latest."
            raise refuse(ErrorCode.LIMIT_EXCEEDED, words, "input", "expiresAt")
        return wanted


def _fault(row: ApiToken | None, now: datetime) -> str | None:
    """Why a token does not work; None where it does."""
    if row is None:
        return UNKNOWN
    if row.revoked_at is not None:
        return _REVOKED
    return _EXPIRED if row.expires_at is not None and row.expires_at <= now else None


def _no_such_token() -> Refused:
    return refuse(ErrorCode.NOT_FOUND, "There is no such token.", "input", "id")


def _id_of(identity: Identity) -> str:
    return identity.credential.removeprefix(CREDENTIAL)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
