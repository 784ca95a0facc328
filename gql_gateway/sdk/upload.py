"""One file up, to an upload that the gateway created: streamed, continued after a cut. The protocol is tus 1.0.

HEAD asks how far it got, PATCH continues there; what completes the file is checked against its SHA-256 by the gateway.
The token is never sent along: the URL carries the right.
"""

import asyncio
import hashlib
import io
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any, BinaryIO

import httpx

from gql_gateway.sdk import errors
from gql_gateway.sdk.answers import CHUNK, lost, raise_for
from gql_gateway.sdk.patience import Patience

Moved = Callable[[int, int], None]
"""Told how many bytes were moved, of how many."""

_TUS = {"Tus-Resumable": "1.0.0"}


class Uploader:
    """Sends files; `patience` is how many seconds without progress it bears."""

    def __init__(self, http: httpx.AsyncClient, patience: float) -> None:
        self._http = http
        self._patience = patience

    async def send(self, url: str, source: Path, size: int, moved: Moved) -> None:
        """Send a file.

        Raises:
            GatewayError: it was refused, or did not arrive as it was sent.
            ConnectionLost: it was cut too often without progress.
        """
        patience = Patience(self._patience)

        def progress(sent: int) -> None:
            patience.progress()
            moved(sent, size)

        arrived: int | None = 0
        with source.open("rb") as file:
            while True:
                try:
                    arrived = await self._offset(url) if arrived is None else arrived
                    # With nothing left to send this asks whether the file is complete, and completes it.
                    arrived = await self._patch(url, arrived, size - arrived, _rest(file, arrived, size, progress))
                except errors.ConnectionLost as loss:
                    await patience.after(loss)
                    arrived = None
                if arrived == size:
                    return

    async def _offset(self, url: str) -> int:
        return int((await self._request("HEAD", url)).headers["Upload-Offset"])

    async def _patch(self, url: str, offset: int, length: int, rest: AsyncGenerator[bytes, None]) -> int:
        headers = {
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(length),
            "Upload-Offset": str(offset),
        }
        async with aclosing(rest):
            response = await self._request("PATCH", url, headers=headers, content=rest)
        return int(response.headers["Upload-Offset"])

    async def _request(self, method: str, url: str, headers: Mapping[str, str] = _TUS, **body: Any) -> httpx.Response:
        try:
            response = await self._http.request(method, url, headers={**_TUS, **headers}, **body)
        except httpx.TransportError as error:
            raise lost(error) from error
        raise_for(response)
        return response


async def _rest(file: BinaryIO, offset: int, size: int, progress: Callable[[int], None]) -> AsyncGenerator[bytes, None]:
    """What is left of a file, as the body of a request; a chunk counts as sent when the next one is asked for."""
    file.seek(offset)
    progress(offset)
    while offset < size:
        chunk = await asyncio.to_thread(file.read, min(CHUNK, size - offset))
        if not chunk:
            raise errors.TransferFailed("The file became shorter while it was sent.")
        yield chunk
        offset += len(chunk)
        progress(offset)


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

    def read_part() -> int:
        part = file.read(16 * CHUNK)
        digest.update(part)
        return len(part)

    size = 0
    with path.open("rb") as file:
        while read := await asyncio.to_thread(read_part):
            size += read
    return size, digest.hexdigest()
