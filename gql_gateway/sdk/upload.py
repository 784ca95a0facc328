"""One file up, to an upload that the gateway created: streamed, continued after a cut. The protocol is tus 1.0.

HEAD asks how far it got, PATCH continues there. What completes the file is checked against its SHA-256: by the gateway
where it was told that beforehand, or here, while the gateway holds what arrived back until it is told that all is well.
The token is never sent along: the URL carries the right.
"""

import asyncio
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path

import httpx

from gql_gateway.sdk import errors
from gql_gateway.sdk.answers import CHUNK, digest_in, lost, raise_for
from gql_gateway.sdk.bulk import Bulk, whole
from gql_gateway.sdk.patience import Patience
from gql_gateway.sdk.threads import Tell, in_thread

Moved = Callable[[int, int], None]
"""Told how many bytes were moved, of how many."""

_TUS = {"Tus-Resumable": "1.0.0"}
_BLOCK = CHUNK // 4
_PART = 16 * CHUNK
"""Bytes of a file that are hashed in one go; Ctrl-C is heard behind each."""


class Uploader:
    """Sends files; `bulk` carries them, and `patience` is how many seconds without progress it bears."""

    def __init__(self, http: httpx.AsyncClient, bulk: Bulk, patience: float) -> None:
        self._http = http
        self._bulk = bulk
        self._patience = patience

    async def send(self, url: str, source: Path, size: int, moved: Moved) -> None:
        """Send a file whose SHA-256 the gateway was told.

        Raises:
            GatewayError: it was refused, or did not arrive as it was sent.
            ConnectionLost: it was cut too often without progress.
        """
        with source.open("rb", buffering=0) as file:
            await self._complete(url, Outgoing(file, size), 0, moved, hold=False)

    async def send_unread(self, url: str, source: Path, size: int, moved: Moved) -> tuple[str, bool]:
        """Send a file that is hashed on the way; its SHA-256, and whether the cluster found the same.

        Raises:
            GatewayError, ConnectionLost: as `send`.
        """
        with source.open("rb", buffering=0) as file:
            outgoing = Outgoing(file, size)
            arrived = await self._complete(url, outgoing, 0, moved, hold=True)
            if fault := outgoing.fault(arrived):
                await self._give_up(url)
                raise errors.TransferFailed(fault)
            if arrived:
                await self._complete(url, outgoing, size, moved, hold=False)
        return outgoing.sha256, arrived is not None

    async def _complete(self, url: str, file: "Outgoing", begin: int, moved: Moved, *, hold: bool) -> str | None:
        """Send what is left, as often as it takes; the SHA-256 of what arrived, where the gateway tells it."""
        patience = Patience(self._patience)

        def sent(offset: int) -> None:
            patience.reached(offset)
            moved(offset, file.size)

        arrived: int | None = begin
        while True:
            try:
                arrived = await self._offset(url) if arrived is None else arrived
                # With nothing left to send this asks whether the file is complete, and completes it.
                answer = await in_thread(_Rest(self._bulk, url, file, arrived, hold), sent)
                arrived = _offset_in(answer)
            except errors.ConnectionLost as loss:
                await patience.after(loss)
                arrived = None
            if arrived == file.size:
                return digest_in(answer.headers)

    async def _offset(self, url: str) -> int:
        try:
            return _offset_in(await self._http.head(url, headers=_TUS))
        except httpx.TransportError as error:
            raise lost(error) from error

    async def _give_up(self, url: str) -> None:
        with suppress(httpx.TransportError):  # it is swept away in any case
            await self._http.delete(url, headers=_TUS)


class Outgoing:
    """A file on its way up, hashed as it is read for the first time."""

    def __init__(self, file: FileIO, size: int) -> None:
        self.size = size
        self._file = file
        self._digest = hashlib.sha256()
        self._hashed = 0
        self._as_it_was = self._look()

    def read(self, offset: int) -> bytes:
        """The next bytes from `offset` on, of which none before it was left out.

        Raises:
            TransferFailed: it became shorter, or cannot be read.
        """
        try:
            self._file.seek(offset)
            block = self._file.read(min(_BLOCK, self.size - offset))
        except OSError as error:  # the library would take it for the connection's
            raise errors.TransferFailed(f"The file cannot be read: {error}.") from error
        if not block:
            raise errors.TransferFailed("The file became shorter while it was sent.")
        self._digest.update(memoryview(block)[max(0, self._hashed - offset) :])
        self._hashed = max(self._hashed, offset + len(block))
        return block

    @property
    def sha256(self) -> str:
        """That of the whole, once it was read."""
        return self._digest.hexdigest()

    def fault(self, arrived: str | None) -> str | None:
        """What is wrong with what was sent, in words; `arrived` is the SHA-256 that the cluster found."""
        if self._look() != self._as_it_was:  # it may never have been as it was read
            return "The file was changed while it was sent; what arrived was dropped."
        if arrived and arrived != self.sha256:
            return "What arrived has another SHA-256 than what was sent, and was dropped."
        return None

    def _look(self) -> tuple[int, int]:
        status = os.fstat(self._file.fileno())
        return status.st_size, status.st_mtime_ns


class _Rest:
    """What is left of a file to send; in a thread."""

    def __init__(self, bulk: Bulk, url: str, file: Outgoing, offset: int, hold: bool) -> None:
        self._bulk = bulk
        self._url = url
        self._file = file
        self._offset = offset
        self._hold = hold

    def __call__(self, tell: Tell) -> httpx.Response:
        """Send it."""
        headers = {
            **_TUS,
            "Content-Type": "application/offset+octet-stream",
            "Content-Length": str(self._file.size - self._offset),
            "Upload-Offset": str(self._offset),
        }
        headers |= {"Upload-Hold": "true"} if self._hold else {}
        return whole(self._bulk.request("PATCH", self._url, headers, self._blocks(tell)), "PATCH", self._url)

    def _blocks(self, tell: Tell) -> Iterator[bytes]:
        """The body of the request; a block counts as sent when the next one is asked for."""
        tell(told := self._offset)
        offset = self._offset
        while offset < self._file.size:
            yield (block := self._file.read(offset))
            offset += len(block)
            if offset - told >= CHUNK or offset == self._file.size:
                tell(told := offset)


def _offset_in(response: httpx.Response) -> int:
    raise_for(response)
    return int(response.headers["Upload-Offset"])


class CountedFile(FileIO):
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
