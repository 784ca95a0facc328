"""Uploads that may be cut: a part grows in `incoming`, however often it takes, and gets its name when it is whole.

How far it got is its size. A mark is left just before it gets its name, so a part that is gone arrived if there is a
mark, whatever died in between.
"""

import contextlib
import fcntl
import os
import signal
import stat
from typing import Optional

from gql_gateway.cluster.agent import paths, removal
from gql_gateway.cluster.agent.arrival import INCOMING, place
from gql_gateway.cluster.agent.digest import Digest
from gql_gateway.cluster.agent.paths import Folder
from gql_gateway.cluster.agent.settling import Settling
from gql_gateway.cluster.agent.wire import LENGTH, Header, Wire, Wrong, write_all

BLOCK = 1 << 20
PART = os.O_RDWR | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
MARK = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
GONE = "This upload is not there any more."


def begin(request: Header, _: bytes) -> Header:
    """Make an empty part where there is room for what will come; once more does no harm."""
    check_target(request)
    with Folder(request["root"], request["job"], make=[INCOMING]) as incoming:
        removal.sweep(incoming)
        room = os.fstatvfs(incoming)
        free = room.f_bavail * room.f_frsize
        if request["size"] > free:
            raise Wrong("LIMIT_EXCEEDED", f"There is room for {free} bytes on the cluster.")
        with contextlib.suppress(FileExistsError):
            os.close(os.open(part_name(request), paths.NEW, 0o600, dir_fd=incoming))
    return {}


def check_target(request: Header) -> None:
    """Refuse before the first byte what would be refused behind the last one."""
    folder, name = paths.split(request["parts"])
    try:
        with Folder(request["root"], request["job"] + folder) as fd:
            there = paths.entry(fd, name)
    except Wrong as wrong:
        if wrong.code == "FILE_NOT_FOUND":
            return
        raise
    if stat.S_ISDIR(there["format"]):
        raise Wrong("FILE_EXISTS", f"'{paths.shown(name)}' is a folder.")
    if not request["overwrite"]:
        raise Wrong("FILE_EXISTS", f"There is a '{paths.shown(name)}' already.")


def part_name(request: Header) -> bytes:
    name: str = request["part"]
    return b"part-" + name.encode()


def mark_name(request: Header) -> bytes:
    name: str = request["part"]
    return b"done-" + name.encode()


def ask(request: Header, _: bytes) -> Header:
    """How far a part got."""
    with Folder(request["root"], [*request["job"], INCOMING]) as incoming:
        return where(incoming, request)


def where(incoming: int, request: Header) -> Header:
    with contextlib.suppress(FileNotFoundError):
        size = os.stat(part_name(request), dir_fd=incoming, follow_symlinks=False).st_size
        return {"state": "open", "offset": size}
    with contextlib.suppress(FileNotFoundError):
        os.stat(mark_name(request), dir_fd=incoming, follow_symlinks=False)
        return {"state": "done", "offset": request["size"]}
    raise Wrong("FILE_NOT_FOUND", GONE)


def drop(request: Header, _: bytes) -> Header:
    """Give a part up, and forget whether it arrived; where nothing of it is left, nothing is done."""
    try:
        with Folder(request["root"], [*request["job"], INCOMING]) as incoming:
            removal.unlinked(incoming, part_name(request))
            removal.unlinked(incoming, mark_name(request))
    except Wrong as wrong:
        if wrong.code != "FILE_NOT_FOUND":
            raise
    return {}


def complete(request: Header, _: bytes) -> Header:
    """Put a part that lacks nothing, and whose digest nobody asks for any more, under its name."""
    part = Part(dict(request, offset=request["size"]))
    try:
        found = part.open()
        return part.finish(None) if part.fd >= 0 else found
    finally:
        part.close()


class Part:
    """A part that is written to, by one agent at a time."""

    def __init__(self, request: Header) -> None:
        self.request = request
        self.fd = -1
        self.incoming = -1

    def open(self) -> Header:
        """Where the part stands; it is open for more only if that is where the caller wants to go on."""
        request = self.request
        self.incoming = Folder(request["root"], request["job"], make=[INCOMING]).fd
        try:
            fd = os.open(part_name(request), PART, dir_fd=self.incoming)
        except FileNotFoundError:
            return where(self.incoming, request)
        try:
            # What receives holds the lock until it ends: with its channel, or when nothing has come for too long.
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            busy = {"state": "busy", "offset": os.fstat(fd).st_size}
            os.close(fd)
            return busy
        found = where(self.incoming, request)
        if found["state"] == "open" and found["offset"] == request["offset"]:
            self.fd = fd
            return found
        os.close(fd)
        return dict(found, state="elsewhere") if found["state"] == "open" else found

    def close(self) -> None:
        """Free its lock."""
        for fd in (self.fd, self.incoming):
            if fd >= 0:
                os.close(fd)

    def receive(self, wire: Wire) -> Header:
        """Write what comes; the part stays, unless it is whole now, or all that came is to be forgotten."""
        request = self.request
        digest = Digest(self.fd, request["offset"]) if request["sha256"] or request["hold"] else None
        settling = Settling(self.fd)
        kept = self.pieces(wire, digest, settling)
        signal.alarm(0)
        self.settle(settling)
        if request["atomic"] and not kept:
            os.ftruncate(self.fd, request["offset"])
        offset = os.fstat(self.fd).st_size
        if offset != request["size"]:
            return {"state": "open", "offset": offset}
        sha256 = digest.hexdigest() if digest else None
        return {"state": "open", "offset": offset, "sha256": sha256} if request["hold"] else self.finish(sha256)

    def pieces(self, wire: Wire, digest: Optional[Digest], settling: Settling) -> bool:
        """Write pieces, each after its length, up to an empty one and a byte that says whether they are good."""
        buffer = memoryview(bytearray(BLOCK))
        left = 0
        while True:
            signal.alarm(self.request["stall"])
            if not left:
                length = wire.input.read(LENGTH.size)
                left = LENGTH.unpack(length)[0] if len(length) == LENGTH.size else 0
                if not left:
                    return wire.input.read(1) == b"+"
            size = wire.input.readinto(buffer[: min(left, BLOCK)])
            if not size:
                return False
            write_all(self.fd, buffer[:size])
            settling.grown(size)
            if digest:
                digest.grown(size)
            left -= size

    def settle(self, settling: Settling) -> None:
        """Give the part up where the disk could not take it: bytes are lost then, whatever its size says."""
        try:
            settling.end()
        except OSError:
            removal.unlinked(self.incoming, part_name(self.request))
            raise

    def finish(self, sha256: Optional[str]) -> Header:
        """Check the whole file, and put it under its name."""
        request = self.request
        if sha256 != request["sha256"]:
            removal.unlinked(self.incoming, part_name(request))
            return {"state": "mismatch", "offset": 0}
        os.close(os.open(mark_name(request), MARK, 0o600, dir_fd=self.incoming))
        place(request, self.incoming, part_name(request), self.fd)
        return {"state": "done", "offset": request["size"]}
