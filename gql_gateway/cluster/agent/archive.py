"""A folder as one tar stream, read by descriptors: no link leads outside, whatever the job does meanwhile.

GNU's form of tar: names there are bytes of any length, and sizes have no limit. Folders and regular files go in; what
is neither, may not be read, or lies deeper than a path can name is left out. The stream comes in pieces, each after
its length, and only an empty piece says that it is whole.
"""

import os
import stat
import struct
from typing import Iterable

from gql_gateway.cluster.agent import paths
from gql_gateway.cluster.agent.paths import Folder
from gql_gateway.cluster.agent.wire import LENGTH, STDOUT, Header, Wrong, write_all

BLOCK = 512
PIECE = 1 << 18
SMALL = 1 << 16
DEPTH = 64
NAME = 100
RECORD = struct.Struct("100s8s8s8s12s12s8s1s100s8s32s32s183x")


class Broken(Exception):
    """A file became shorter than was told."""


class Archive:
    """The stream of one folder; `open` first, then `send`."""

    def __init__(self) -> None:
        self.fd = -1
        self.own_fd = -1
        self.request: Header = {}
        self.held = bytearray()

    def open(self, request: Header) -> Header:
        """Find the folder, so that what stands against it is said before the stream."""
        self.fd = Folder(request["root"], request["parts"]).fd
        if request["own"]:
            self.own_fd = Folder(request["root"], request["job"]).fd
        self.request = request
        return {}

    def send(self) -> None:
        """Send everything; without its end where a file shrank meanwhile."""
        prefix = os.fsencode(self.request["name"])
        own = [os.fsencode(name) for name in self.request["own"]]
        try:
            self.put(records(prefix + b"/", os.fstat(self.fd), 0, b"5"))
            for name in own:
                self.add_file(self.own_fd, name, prefix)
            self.add_all(self.fd, prefix, own)
        except Broken:
            return
        self.put(b"\0" * 2 * BLOCK)
        self.flush()
        write_all(STDOUT, LENGTH.pack(0))

    def add_all(self, fd: int, path: bytes, without: Iterable[bytes] = ()) -> None:
        for name in paths.names_in(fd):
            if name not in without:
                self.add(fd, name, path)

    def add(self, dir_fd: int, name: bytes, prefix: bytes) -> None:
        try:
            status = os.stat(name, dir_fd=dir_fd, follow_symlinks=False)
            if not stat.S_ISDIR(status.st_mode):
                self.add_file(dir_fd, name, prefix)
                return
            fd = os.open(name, paths.DIRECTORY, dir_fd=dir_fd)
        except OSError:
            return
        try:
            if prefix.count(b"/") < DEPTH:
                self.put(records(prefix + b"/" + name + b"/", status, 0, b"5"))
                self.add_all(fd, prefix + b"/" + name)
        finally:
            os.close(fd)

    def add_file(self, dir_fd: int, name: bytes, prefix: bytes) -> None:
        try:
            fd, status = paths.open_regular(dir_fd, name)
        except (Wrong, OSError):
            return
        try:
            self.put(records(prefix + b"/" + name, status, status.st_size, b"0"))
            self.add_content(fd, status.st_size)
            self.put(b"\0" * (-status.st_size % BLOCK))
        finally:
            os.close(fd)

    def add_content(self, fd: int, size: int) -> None:
        """As many bytes as were told, whatever the file has grown to since."""
        if size > SMALL:
            self.flush()
        offset = 0
        while offset < size:
            length = min(size - offset, PIECE)
            data = os.pread(fd, length, offset)
            if len(data) < length:
                raise Broken
            self.put(data)
            offset += length

    def put(self, data: bytes) -> None:
        """Gather small things; what fills a piece is sent."""
        self.held += data
        if len(self.held) >= PIECE:
            self.flush()

    def flush(self) -> None:
        if self.held:
            write_all(STDOUT, LENGTH.pack(len(self.held)))
            write_all(STDOUT, bytes(self.held))
            self.held.clear()


def records(path: bytes, status: os.stat_result, size: int, kind: bytes) -> bytes:
    """What stands before an entry's content; a long name has a record of its own."""
    record = one_record(path, stat.S_IMODE(status.st_mode), size, status.st_mtime, kind)
    if len(path) <= NAME:
        return record
    name = path + b"\0"
    long = one_record(b"././@LongLink", 0o644, len(name), 0, b"L")
    return long + name + b"\0" * (-len(name) % BLOCK) + record


def one_record(name: bytes, mode: int, size: int, mtime: float, kind: bytes) -> bytes:
    """Owners are left out: they would be the gateway's account."""
    fields = [name[:NAME], number(mode & 0o777, 8), number(0, 8), number(0, 8), number(size, 12)]
    fields.append(number(max(0, int(mtime)), 12))
    rest = [kind, b"", b"ustar  \0", b"", b""]
    total = sum(RECORD.pack(*fields, b" " * 8, *rest))
    return RECORD.pack(*fields, b"%06o\0 " % total, *rest)


def number(value: int, width: int) -> bytes:
    """In octal digits, or where those are too few as GNU tar writes it."""
    digits = b"%0*o" % (width - 1, value)
    if len(digits) < width:
        return digits + b"\0"
    return b"\x80" + value.to_bytes(width - 1, "big")
