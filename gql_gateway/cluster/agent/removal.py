"""Removing trees by descriptors, however deep, with a bound on time."""

import contextlib
import errno
import itertools
import os
import stat
import time

from gql_gateway.cluster.agent.paths import explained, names_in, nonce, open_own_folder
from gql_gateway.cluster.agent.wire import Wrong

BATCH = 1000
ABANDONED_AFTER = 86400
NOT_EMPTY = (errno.ENOTEMPTY, errno.EEXIST, errno.EISDIR, errno.ENOTDIR)


def remove(dir_fd: int, name: bytes, deadline: float) -> bool:
    """Remove a file, a link or a whole folder; False where the deadline (monotonic seconds) came first.

    A full folder inside a folder is renamed to the top before it is emptied, so no depth needs more than three
    descriptors, or a path.
    """
    if unlinked(dir_fd, name):
        return True
    top = open_own_folder(dir_fd, name)
    try:
        while time.monotonic() < deadline:
            batch = list(itertools.islice(names_in(top), BATCH))
            if not batch:
                break
            for child in batch:
                if time.monotonic() < deadline and not unlinked(top, child):
                    empty_into(top, child)
    finally:
        os.close(top)
    return unlinked(dir_fd, name)


def empty_into(top: int, name: bytes) -> None:
    """Empty a folder: what can be unlinked is, its own full folders go to `top`."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # a job may move things meanwhile
        lift(top, name)


def lift(top: int, name: bytes) -> None:
    fd = open_own_folder(top, name)
    try:
        for child in list(itertools.islice(names_in(fd), BATCH)):
            if not unlinked(fd, child):
                move(fd, child, top, nonce())
    finally:
        os.close(fd)
    unlinked(top, name)


def move(from_fd: int, name: bytes, to_fd: int, new_name: bytes) -> None:
    """Rename an entry into another folder; moving a folder needs the right to write in it, for its `..`."""
    if stat.S_ISDIR(os.stat(name, dir_fd=from_fd, follow_symlinks=False).st_mode):
        os.close(open_own_folder(from_fd, name))
    os.rename(name, new_name, src_dir_fd=from_fd, dst_dir_fd=to_fd)


def unlinked(dir_fd: int, name: bytes) -> bool:
    """Remove a file, a link or an empty folder; False for a full one."""
    try:
        if stat.S_ISDIR(os.stat(name, dir_fd=dir_fd, follow_symlinks=False).st_mode):
            os.rmdir(name, dir_fd=dir_fd)
        else:
            os.unlink(name, dir_fd=dir_fd)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno not in NOT_EMPTY:
            raise explained(error, dir_fd, name) from None
        return False
    return True


def sweep(incoming: int) -> None:
    """Remove what transfers of dead agents left behind a day ago."""
    deadline = time.monotonic() + 5
    for name in list(itertools.islice(names_in(incoming), BATCH)):
        if abandoned(incoming, name):
            remove_if_possible(incoming, name, deadline)


def remove_if_possible(dir_fd: int, name: bytes, deadline: float) -> None:
    """Remove what is out of sight already; what resists stays there."""
    with contextlib.suppress(Wrong, OSError):
        remove(dir_fd, name, deadline)


def abandoned(incoming: int, name: bytes) -> bool:
    try:
        return os.stat(name, dir_fd=incoming, follow_symlinks=False).st_mtime < time.time() - ABANDONED_AFTER
    except FileNotFoundError:
        return False
