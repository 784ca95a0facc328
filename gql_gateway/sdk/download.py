"""One file down, from a signed URL: streamed, continued after a cut, its SHA-256 compared with the cluster's.

Range and If-Range (RFC 9110) continue the same version of the file or begin again with a new one; the cluster's digest
is asked for with Want-Repr-Digest (RFC 9530). The token is never sent along: the URL carries the right.
"""

import hashlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import BinaryIO

import httpx

from gql_gateway.sdk import errors
from gql_gateway.sdk.answers import CHUNK, digest_in, lost, raise_for
from gql_gateway.sdk.bulk import Bulk, Lost, whole
from gql_gateway.sdk.patience import Patience
from gql_gateway.sdk.threads import Tell, in_thread
from gql_gateway.sdk.upload import Moved

Locate = Callable[[], Awaitable[str]]
"""Answers with a fresh signed URL."""

_BLOCK = 256 * 1024
"""Bytes that are received, hashed and written while they are near: 1.36 s of processor time for a GiB, with 128 KiB
1.49, with 512 KiB 1.56."""
_DIGEST_TIMEOUT = httpx.Timeout(30, read=3600)  # the cluster reads the whole file before it answers


@dataclass(frozen=True)
class Version:
    """What is known of a version of a file: its size, SHA-256 (None: not offered) and tag."""

    size: int
    sha256: str | None
    etag: str | None


class Downloader:
    """Fetches files; `bulk` carries them, and `patience` is how many seconds without progress it bears."""

    def __init__(self, http: httpx.AsyncClient, bulk: Bulk, patience: float) -> None:
        self._http = http
        self._bulk = bulk
        self._patience = patience

    async def fetch(self, locate: Locate, file: BinaryIO, moved: Moved) -> Version:
        """Write a whole file into an empty one.

        Raises:
            GatewayError: it is not there, or may not be read.
            ConnectionLost: it was cut too often without progress.
        """
        patience = Patience(self._patience)
        sink = _Sink(self._bulk, file)

        def received(offset: int) -> None:
            patience.reached(offset)
            moved(offset, sink.total)

        url = await locate()
        while True:
            try:
                await in_thread(partial(sink.get, url), received)
            except (errors.Forbidden, errors.ConnectionLost) as error:
                await patience.after(_as_loss(error))
                url = await locate()
            else:
                return Version(sink.offset, sink.digest.hexdigest(), sink.etag)

    async def digest(self, locate: Locate) -> Version:
        """What the cluster says of a file; it may take minutes over a large one.

        Raises:
            GatewayError: as `fetch`.
        """
        patience = Patience(self._patience)
        while True:
            try:
                return await self._head(await locate())
            except (errors.Forbidden, errors.ConnectionLost) as error:
                await patience.after(_as_loss(error))

    async def _head(self, url: str) -> Version:
        try:
            headers = {"Want-Repr-Digest": "sha-256=10"}
            response = await self._http.head(url, headers=headers, timeout=_DIGEST_TIMEOUT)
        except httpx.TransportError as error:
            raise lost(error) from error
        raise_for(response)
        length, etag = int(response.headers["Content-Length"]), response.headers.get("ETag")
        return Version(length, digest_in(response.headers), etag)


class _Sink:
    """What came down so far, and the way to the rest of the same version; in a thread."""

    def __init__(self, bulk: Bulk, file: BinaryIO) -> None:
        self._bulk = bulk
        self._file = file
        self.total = 0
        self.offset = 0
        self.etag: str | None = None
        self.digest = hashlib.sha256()

    def get(self, url: str, tell: Tell) -> None:
        """Ask for the rest, and write it."""
        with self._bulk.request("GET", url, self._headers()) as response:
            if response.status >= httpx.codes.BAD_REQUEST:
                raise_for(whole(response, "GET", url))
            self._begin(response.status, response.headers)
            try:
                self._take(response.stream(_BLOCK, decode_content=False), tell)
            except Lost as error:
                raise lost(error) from error

    def _headers(self) -> dict[str, str]:
        """Ask for the rest, or for the whole where there is no telling whether the file is still the same."""
        identity = {"Accept-Encoding": "identity"}
        if not self.offset or not self.etag:
            return identity
        return identity | {"Range": f"bytes={self.offset}-", "If-Range": self.etag}

    def _begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Read the head of an answer: the rest (206), or the whole because there was nothing yet or it has changed."""
        if status != httpx.codes.PARTIAL_CONTENT and self.offset:
            # Only where there is something: ext4 writes what was cut to nothing to the disk at its close, 0.3 s a GiB.
            self._file.seek(0)
            self._file.truncate()
            self.offset, self.digest = 0, hashlib.sha256()
        self.etag = headers.get("ETag")
        self.total = self.offset + int(headers["Content-Length"])

    def _take(self, chunks: Iterator[bytes], tell: Tell) -> None:
        """Write what comes."""
        tell(told := self.offset)
        for chunk in chunks:
            self._file.write(chunk)
            self.digest.update(chunk)
            self.offset += len(chunk)
            if self.offset - told >= CHUNK:
                tell(told := self.offset)
        tell(self.offset)


def _as_loss(error: errors.GatewayError) -> errors.ConnectionLost:
    """A signed URL whose time is over is answered 403; another one continues, so it counts as a cut."""
    return error if isinstance(error, errors.ConnectionLost) else errors.ConnectionLost(str(error))
