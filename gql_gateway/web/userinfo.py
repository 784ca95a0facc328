"""Opaque access tokens of a platform: its userinfo endpoint says whose they are. Answers are kept for a short time."""

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic

import httpx

from gql_gateway.core.errors import Unauthenticated, Unavailable
from gql_gateway.core.identity import Identity
from gql_gateway.web.claims import ClaimRules
from gql_gateway.web.provider import get_json

CREDENTIAL = "userinfo"
REMEMBERED = 10_000
AT_ONCE = 20
"""Questions to the platform at the same time: whoever makes up tokens costs it no more."""
LONGEST = 8192

SILENCE_SECONDS = 300.0
"""So long streams go on while the platform does not say whether their tokens still work."""

_NOT_VALID = "The identity provider does not take this token."
_SILENCE = "The identity provider has not said for too long whether this token still works."


@dataclass(frozen=True, slots=True)
class _Answer:
    """What the platform said: whose the token is, or why it is nobody's."""

    identity: Identity | None
    refusal: str
    at: float


class UserinfoTokens:
    """Asks `address` whose a token is, and believes the answer for `seconds`."""

    def __init__(self, address: str, http: httpx.AsyncClient, claims: ClaimRules, seconds: float) -> None:
        self._address = address
        self._http = http
        self._claims = claims
        self._seconds = seconds
        self._answers: OrderedDict[str, _Answer] = OrderedDict()
        self._asked: dict[str, asyncio.Task[_Answer]] = {}
        self._room = asyncio.Semaphore(AT_ONCE)

    async def identify(self, token: str) -> Identity | None:
        """Whose token this is.

        Raises:
            Unauthenticated: the platform does not take it.
            Unavailable: the platform does not answer.
        """
        if len(token) > LONGEST or not (token.isascii() and token.isprintable()):
            return None
        key = _key(token)
        answer = self._answers.get(key)
        if answer is None or monotonic() - answer.at > self._seconds:
            answer = await self._together(key, token)
        if answer.identity is None:
            raise Unauthenticated(answer.refusal)
        return answer.identity

    async def ended(self, held: Mapping[str, Identity]) -> Mapping[str, str]:
        """Those of these tokens that the platform no longer takes, or of which it said nothing for too long."""
        ours = [token for token, who in held.items() if who.credential.startswith(CREDENTIAL)]
        reasons = await asyncio.gather(*map(self._why_ended, ours))
        return {token: reason for token, reason in zip(ours, reasons, strict=True) if reason}

    async def check(self) -> None:
        """Ask about a token that is nobody's.

        Raises:
            Unavailable: with what is wrong, also where the platform takes any token.
        """
        try:
            await self.identify(f"check-{secrets.token_hex(16)}")
        except Unauthenticated as refused:
            if str(refused) == _NOT_VALID:
                return
        raise Unavailable("The identity provider takes any token.", detail=f"{self._address} answers a made-up one.")

    async def _why_ended(self, token: str) -> str | None:
        try:
            await self.identify(token)
        except Unauthenticated as error:
            return str(error)
        except Unavailable:
            answer = self._answers.get(_key(token))
            return None if answer and monotonic() - answer.at < SILENCE_SECONDS else _SILENCE
        return None

    async def _together(self, key: str, token: str) -> _Answer:
        """One question for all who come with the same token; who leaves does not take it along."""
        if key not in self._asked:
            self._asked[key] = task = asyncio.create_task(self._ask(key, token))
            task.add_done_callback(lambda _: self._asked.pop(key, None))
        return await asyncio.shield(self._asked[key])

    async def _ask(self, key: str, token: str) -> _Answer:
        try:
            async with self._room:
                claims = await get_json(self._http, self._address, bearer=token)
            answer = _Answer(self._claims.identity(claims, CREDENTIAL, None), "", monotonic())
        except httpx.HTTPStatusError as error:
            if error.response.status_code == httpx.codes.TOO_MANY_REQUESTS:
                raise Unavailable("The identity provider takes no more questions for now.") from None
            answer = _Answer(None, _NOT_VALID, monotonic())
        except Unauthenticated as refused:
            answer = _Answer(None, str(refused), monotonic())
        self._answers[key] = answer
        self._answers.move_to_end(key)
        while len(self._answers) > REMEMBERED:
            self._answers.popitem(last=False)
        return answer


def _key(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
