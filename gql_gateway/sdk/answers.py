"""What plain HTTP answers mean for a transfer: go on, try again, ask for another URL, or give up."""

import base64
import re
from collections.abc import Mapping

import httpx

from gql_gateway.sdk import errors

CHUNK = 2**20
"""Bytes that are read, sent and written at once."""

_DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")
_AGAIN = frozenset({409, 423, 429, 500, 502, 503, 504})
_CHECKSUM_MISMATCH = 460
_BY_STATUS: dict[int, type[errors.GatewayError]] = {
    401: errors.Unauthenticated,
    403: errors.Forbidden,
    404: errors.FileNotFound,
    413: errors.FileTooLarge,
    507: errors.LimitExceeded,
}


def lost(error: Exception) -> errors.ConnectionLost:
    """The loss of a connection in the middle of a transfer."""
    return errors.ConnectionLost(f"The transfer was cut ({type(error).__name__}{f': {error}' if str(error) else ''}).")


def digest_in(headers: Mapping[str, str]) -> str | None:
    """The SHA-256 of a whole file in hexadecimal digits, where an answer tells it (RFC 9530)."""
    found = _DIGEST.search(headers.get("Repr-Digest", ""))
    return base64.b64decode(found[1]).hex() if found else None


def raise_for(response: httpx.Response) -> None:
    """Raise what an answer that is no success means.

    Raises:
        GatewayError: final.
        ConnectionLost: another try may succeed.
    """
    if response.is_success:
        return
    error = _said(response)
    if response.status_code in _AGAIN:
        raise errors.ConnectionLost(str(error))
    raise error


def _said(response: httpx.Response) -> errors.GatewayError:
    """The gateway's own words, where the answer has some; an answer to HEAD has none."""
    try:
        return errors.from_http_error(response.json()["error"])
    except (ValueError, TypeError, KeyError):
        status = response.status_code
    if status == _CHECKSUM_MISMATCH:
        return errors.TransferFailed("What arrived has another SHA-256 than what was sent, and was dropped.")
    words = f"The gateway answers {f'{status} {response.reason_phrase}'.strip()} to {response.request.method}."
    return _BY_STATUS.get(status, errors.TransferFailed)(words)
