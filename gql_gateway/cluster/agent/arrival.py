"""Files on their way in: written where the container cannot see them, renamed into place when they are whole."""

import os
import stat
from typing import Any, Dict

from gql_gateway.cluster.agent import paths, removal
from gql_gateway.cluster.agent.paths import Folder
from gql_gateway.cluster.agent.wire import Header, Wrong

INCOMING = "incoming"


class Arrival:
    """A new file that leaves nothing behind unless it is placed."""

    def __init__(self, request: Header) -> None:
        self.request = request
        self.name = paths.nonce("upload-")
        self.incoming = Folder(request["root"], request["job"], make=[INCOMING])
        try:
            removal.sweep(self.incoming.fd)
            self.fd = os.open(self.name, paths.NEW, 0o600, dir_fd=self.incoming.fd)
        except BaseException:
            os.close(self.incoming.fd)
            raise

    def place(self) -> Dict[str, Any]:
        """Put the file under its name."""
        return place(self.request, self.incoming.fd, self.name, self.fd)

    def __enter__(self) -> "Arrival":
        return self

    def __exit__(self, *_: object) -> None:
        removal.unlinked(self.incoming.fd, self.name)
        os.close(self.fd)
        os.close(self.incoming.fd)


def place(request: Header, incoming: int, temporary: bytes, fd: int) -> Dict[str, Any]:
    """Put a whole file under its name, making folders on the way, and tell what is there now."""
    os.fsync(fd)
    folder, name = paths.split(request["parts"])
    with Folder(request["root"], request["job"], make=folder) as target:
        try:
            put(incoming, temporary, target, name, request["overwrite"])
            os.fsync(target)
        except FileExistsError:
            raise Wrong("FILE_EXISTS", f"There is a '{paths.shown(name)}' already.") from None
        except OSError as error:
            if is_folder(target, name):
                raise Wrong("FILE_EXISTS", f"'{paths.shown(name)}' is a folder.") from None
            raise paths.explained(error, target, name) from None
        return paths.described(name, os.fstat(fd))


def put(incoming: int, temporary: bytes, target: int, name: bytes, overwrite: bool) -> None:
    """Rename, or where nothing may be replaced link, which fails if there is something."""
    if overwrite:
        os.rename(temporary, name, src_dir_fd=incoming, dst_dir_fd=target)
    else:
        os.link(temporary, name, src_dir_fd=incoming, dst_dir_fd=target)
        os.unlink(temporary, dir_fd=incoming)


def is_folder(dir_fd: int, name: bytes) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_mode)
    except OSError:
        return False
