"""One file up, to an upload that the gateway created: streamed, continued after a cut. The protocol is tus 1.0.

HEAD asks how far it got, PATCH continues there; what completes the file is checked against its SHA-256 by the gateway.
The token is never sent along: the URL carries the right.
"""

import asyncio
import hashlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import httpx

from gql_gateway.sdk import errors
from gql_gateway.sdk.answers import CHUNK, lost, raise_for
from gql_gateway.sdk.bulk import Bulk, whole
from gql_gateway.sdk.patience import Patience
from gql_gateway.sdk.threads import Tell, in_thread

Moved = Callable[[int, int], None]
"""Told how many bytes were moved, of how many."""

_TUS = {"Tus-Resumable": "1.0.0"}
_PART = 16 * CHUNK
"""Bytes of a file that are hashed in one go; Ctrl-C is heard behind each."""


class Uploader:
    """Sends files; `bulk` carries them, and `patience` is how many seconds without progress it bears."""

    def __init__(self, http: httpx.AsyncClient, bulk: Bulk, patience: float) -> None:
        self._http = http
        self._bulk = bulk
        self._patience = patience

    async def send(self, url: str, source: Path, size: int, moved: Moved) -> None:
        """Send a file.

        Raises:
            GatewayError: it was refused, or did not arrive as it was sent.
            ConnectionLost: it was cut too often without progress.
        """
        patience = Patience(self._patience)

        def sent(offset: int) -> None:
            patience.reached(offset)
            moved(offset, size)

        arrived: int | None = 0
        with source.open("rb", buffering=0) as file:
            while True:
                try:
                    arrived = await self._offset(url) if arrived is None else arrived
                    # With nothing left to send this asks whether the file is complete, and completes it.
                    arrived = await in_thread(_Rest(self._bulk, url, file, arrived, size), sent)
                except errors.ConnectionLost as loss:
                    await patience.after(loss)
                    arrived = None
                if arrived == size:
                    return

    async def _offset(self, url: str) -> int:
        try:
            return _offset_in(await self._http.head(url, headers=_TUS))
        except httpx.TransportError as error:
            raise lost(error) from error


class _Rest:
    """What is left of a file to send; in a thread."""

    def __init__(self, bulk: Bulk, url: str, file: BinaryIO, offset: int, size: int) -> None:
        self._bulk = bulk
        self._url = url
        self._file = file
        self._offset = offset
        self._size = size

    def __call__(self, tell: Tell) -> int:
        """Send it; how far the upload is then."""
        headers = {
            **_TUS,
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(self._size - self._offset),
            "Upload-Offset": str(self._offset),
        }
        response = self._bulk.request("PATCH", self._url, headers, self._chunks(tell))
        return _offset_in(whole(response, "PATCH", self._url))

    def _chunks(self, tell: Tell) -> Iterator[bytes]:
        """The body of the request; a chunk counts as sent when the next one is asked for."""
        offset = self._offset
        self._file.seek(offset)
        tell(offset)
        while offset < self._size:
            yield (chunk := self._read(self._size - offset))
            offset += len(chunk)
            tell(offset)

    def _read(self, size: int) -> bytes:
        try:
            chunk = self._file.read(min(CHUNK, size))
        except OSError as error:  # the library would take it for the connection's
            raise errors.TransferFailed(f"The file cannot be read: {error}.") from error
        if not chunk:
            raise errors.TransferFailed("The file became shorter while it was sent.")
        return chunk


def _offset_in(response: httpx.Response) -> int:
    raise_for(response)
    return int(response.headers["Upload-Offset"])


class CountedFile(io.FileIO):
    """A file that tells how far it was read."""

    def __init__(self, path: Path, progress: Callable[[int], None]) -> None:
        super().__init__(path)
        self._progress = progress

    def read(self, size: int | None = -1, /) -> bytes:
        """Read on, and tell."""
        data = super().read(size)
        self._progress(self.tell())
        return data or b""


async def measured(path: Path) -> tuple[int, str]:
    """Size and SHA-256 of a file, read outside the event loop."""
    digest = hashlib.sha256()
    block = memoryview(bytearray(CHUNK))

    def read_part() -> int:
        read = 0
        while read < _PART and (size := file.readinto(block)):
            digest.update(block[:size])
            read += size
        return read

    size = 0
    with path.open("rb", buffering=0) as file:
        while read := await asyncio.to_thread(read_part):
            size += read
    return size, digest.hexdigest()
