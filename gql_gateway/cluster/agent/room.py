"""How much a folder takes up, measured by descriptors, with a bound on time."""

import os
import stat
import time
from typing import List

from gql_gateway.cluster.agent import paths
from gql_gateway.cluster.agent.paths import Folder
from gql_gateway.cluster.agent.wire import Header, Wrong

BLOCK = 512  # what st_blocks counts, whatever the file system's own blocks are


def usage(request: Header, _: bytes) -> Header:
    """Bytes on disk of all that a folder holds; `whole` tells whether the time was enough to see everything.

    Each folder is opened from the root, so no depth needs more than two descriptors, and what moves or is shut
    meanwhile is left out.
    """
    deadline = time.monotonic() + float(request["seconds"])
    left: List[List[str]] = [[]]
    size = 0
    while left and time.monotonic() < deadline:
        below = left.pop()
        try:
            with Folder(request["root"], request["parts"] + below) as fd:
                for name in paths.names_in(fd):
                    size += measured(fd, name, below, left)
        except (Wrong, OSError):
            continue
    return {"bytes": size, "whole": not left}


def measured(fd: int, name: bytes, below: List[str], left: List[List[str]]) -> int:
    """One entry's bytes; a folder is noted, to be looked into later."""
    try:
        status = os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        return 0
    if stat.S_ISDIR(status.st_mode):
        left.append([*below, os.fsdecode(name)])
    return status.st_blocks * BLOCK
