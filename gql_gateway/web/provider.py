"""The identity provider: its discovery document and its keys, fetched when they are needed and remembered."""

import asyncio
import json
from time import monotonic
from typing import Any

import httpx
import structlog
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from gql_gateway.core.errors import Unavailable

log = structlog.get_logger()

FRESH_SECONDS = 600.0
"""Keys are asked for again after so long, so that one that was taken back is out soon."""
HELD_SECONDS = 3600.0
"""So long keys are used that cannot be asked for again, while the provider is away."""
RETRY_SECONDS = 1.0
"""Between two questions to a provider that does not answer."""
ANSWER_BYTES = 1024 * 1024

_WELL_KNOWN = "/.well-known/openid-configuration"


class Provider:
    """An OpenID provider, known by its issuer. `http` is closed by whoever made it.

    `again_seconds` lie between two questions about keys that it did not have: made-up key ids cost it no more.
    """

    def __init__(self, issuer: str, http: httpx.AsyncClient, again_seconds: float) -> None:
        self._issuer = issuer
        self._again = again_seconds
        self._http = http
        self._asking = asyncio.Lock()
        self._keys: KeySet | None = None
        self._fetched = self._failed = -HELD_SECONDS
        self._failure: Unavailable | None = None

    async def keys(self, key_id: str | None) -> KeySet:
        """The provider's keys, asked for again where there is none with this id, at a limited rate.

        Raises:
            Unavailable: the provider does not answer, or not as one does.
        """
        if self._keys and self._age < FRESH_SECONDS and _has(self._keys, key_id):
            return self._keys
        async with self._asking:
            await self._refresh(key_id)
        if self._keys is None or self._age > HELD_SECONDS or (self._failure and not _has(self._keys, key_id)):
            # A key that nobody knows may be a new one: who has it must hear that this cannot be told now.
            raise self._failure or Unavailable("The identity provider has not been asked yet.")
        return self._keys

    async def newer(self, keys: KeySet) -> KeySet | None:
        """Keys that take the place of these, which did not fit, asked for at a limited rate; None: there are none yet.

        For tokens without a key id, whose provider changed its key.
        """
        async with self._asking:
            if self._keys is keys and self._age >= self._again:
                await self._ask()
        return self._keys if self._keys is not keys else None

    @property
    def _age(self) -> float:
        return monotonic() - self._fetched

    async def _refresh(self, key_id: str | None) -> None:
        """Ask again, unless somebody just did."""
        if self._keys and self._age < (FRESH_SECONDS if _has(self._keys, key_id) else self._again):
            return
        await self._ask()

    async def _ask(self) -> None:
        if monotonic() - self._failed < RETRY_SECONDS:
            return
        try:
            self._keys = await self._fetch()
        except Unavailable as failure:
            self._failed, self._failure = monotonic(), failure
            log.warning("identity provider", issuer=self._issuer, error=str(failure), detail=failure.detail)
        else:
            self._fetched, self._failure = monotonic(), None

    async def _fetch(self) -> KeySet:
        metadata = await get_json(self._http, self._issuer.rstrip("/") + _WELL_KNOWN)
        if metadata.get("issuer") != self._issuer:
            # OpenID Connect Discovery 4.3: else one provider could speak for another.
            raise _unusable(f"It calls itself {metadata.get('issuer')!r} and not {self._issuer!r}.")
        address = metadata.get("jwks_uri")
        if not isinstance(address, str) or not _is_as_safe(address, self._issuer):
            raise _unusable(f"Its `jwks_uri` is {address!r}.")
        try:
            return KeySet.import_key_set(await get_json(self._http, address))  # type: ignore[arg-type]  # checked there
        except (JoseError, KeyError, TypeError, ValueError) as error:
            raise _unusable(f"Its keys cannot be read: {error!r}.") from error


async def get_json(http: httpx.AsyncClient, address: str, *, bearer: str | None = None) -> dict[str, Any]:
    """A JSON object of at most ANSWER_BYTES.

    Raises:
        Unavailable: there is none.
        httpx.HTTPStatusError: the server answers 4xx.
    """
    headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {bearer}"} if bearer else {})
    try:
        async with http.stream("GET", address, headers=headers) as response:
            if bearer and response.is_client_error:
                response.raise_for_status()
            if response.status_code != httpx.codes.OK:
                raise _unusable(f"{address} answers {response.status_code}.")
            content = bytearray()
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > ANSWER_BYTES:
                    raise _unusable(f"{address} answers more than {ANSWER_BYTES} bytes.")
    except httpx.TransportError as error:
        raise Unavailable("The identity provider does not answer.", detail=f"{address}: {error!r}") from error
    return _object(bytes(content), address)


def _object(content: bytes, address: str) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise _unusable(f"{address} answers no JSON object.")
    return value


def _has(keys: KeySet | None, key_id: str | None) -> bool:
    return keys is not None and (key_id is None or any(key.kid == key_id for key in keys.keys))


def _is_as_safe(address: str, issuer: str) -> bool:
    """Whether an address is at least as safe to ask as the issuer's own."""
    return address.startswith("https://") or (issuer.startswith("http://") and address.startswith("http://"))


def _unusable(detail: str) -> Unavailable:
    return Unavailable("The identity provider does not answer as one does.", detail=detail)
