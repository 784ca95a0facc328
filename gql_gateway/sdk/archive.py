"""A folder of a job as one tar file, from a signed URL: streamed, and known to be whole before it has its name.

How long it will be nobody knows, and a part of it cannot be asked for: after a cut it begins again. Behind a proxy that
speaks HTTP/1.0 to the gateway an answer that was cut ends like one that is whole. So the tar's own end is looked for;
it counts only where an entry would begin, since files hold empty blocks too.
"""

import tarfile
from collections.abc import Callable
from functools import partial
from typing import BinaryIO

import httpx

from gql_gateway.sdk import errors
from gql_gateway.sdk.answers import CHUNK, lost, raise_for
from gql_gateway.sdk.bulk import Bulk, Lost, whole
from gql_gateway.sdk.download import Locate
from gql_gateway.sdk.patience import Patience
from gql_gateway.sdk.threads import Tell, in_thread

_READ = 128 * 1024
_END = 2
"""Empty blocks at the end of a tar."""


class Tar:
    """How far a tar is while its bytes pass by, and how many regular files were in it."""

    def __init__(self) -> None:
        self.size = 0
        self.files = 0
        self._head = bytearray()
        self._content = 0
        self._empty = 0

    @property
    def is_whole(self) -> bool:
        """Whether its end was there."""
        return self._empty >= _END

    def take(self, data: bytes) -> None:
        """The next bytes of it.

        Raises:
            TransferFailed: they are none of a tar.
        """
        position = 0
        while position < len(data):
            wanted = self._content or tarfile.BLOCKSIZE - len(self._head)
            step = min(wanted, len(data) - position)
            if self._content:
                self._content -= step
            else:
                self._head += data[position : position + step]
            if len(self._head) == tarfile.BLOCKSIZE:
                self._begin(bytes(self._head))
                self._head.clear()
            position += step
        self.size += len(data)

    def _begin(self, head: bytes) -> None:
        """An entry begins, or an empty block says that none does."""
        if not any(head):
            self._empty += 1
            return
        try:
            entry = tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise errors.TransferFailed(f"What arrived is no tar file ({error}).") from error
        self.files += entry.isreg()
        self._content = -(-entry.size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


class Archiver:
    """Fetches folders; `bulk` carries them, and `patience` is how many seconds without progress it bears."""

    def __init__(self, bulk: Bulk, patience: float) -> None:
        self._bulk = bulk
        self._patience = patience

    async def fetch(self, locate: Locate, file: BinaryIO, moved: Callable[[int], None]) -> Tar:
        """Write a whole archive into a file.

        Raises:
            GatewayError: the folder is not there, or may not be read.
            ConnectionLost: it was cut too often without coming further.
        """
        patience = Patience(self._patience)

        def received(size: int) -> None:
            patience.reached(size)
            moved(size)

        while True:
            try:
                return await in_thread(partial(self._get, await locate(), file), received)
            except errors.ConnectionLost as loss:
                await patience.after(loss)

    def _get(self, url: str, file: BinaryIO, tell: Tell) -> Tar:
        """One try from its begin; in a thread."""
        file.seek(0)
        file.truncate()
        tar = Tar()
        with self._bulk.request("GET", url, {"Accept-Encoding": "identity"}) as response:
            if response.status >= httpx.codes.BAD_REQUEST:
                raise_for(whole(response, "GET", url))
            try:
                tell(told := 0)
                for data in response.stream(_READ, decode_content=False):
                    file.write(data)
                    tar.take(data)
                    if tar.size - told >= CHUNK:
                        tell(told := tar.size)
            except Lost as error:
                raise lost(error) from error
        if not tar.is_whole:
            raise errors.ConnectionLost("The archive was cut before its end.")
        tell(tar.size)
        return tar
