"""Frames between the gateway and its agent: two 32-bit lengths, a JSON header, a body of bytes."""

import io
import json
import os
import struct
import sys
import threading
from typing import Any, Dict, Optional, Tuple, Union, cast

PROTOCOL = 2
LENGTHS = struct.Struct(">II")
LENGTH = struct.Struct(">I")
"""Of one piece of a stream; 0: its end."""
STDOUT = 1

Header = Dict[str, Any]


class Wrong(Exception):
    """A request that cannot be done; `code` is one of the gateway's error codes."""

    def __init__(self, code: str, message: str) -> None:
        Exception.__init__(self, message)
        self.code = code


def write_all(fd: int, data: Union[bytes, memoryview]) -> None:
    """Write everything, as often as it takes."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]


class Wire:
    """Standard input and output as frames; several threads may send."""

    def __init__(self) -> None:
        self.input = cast(io.BufferedReader, sys.stdin.buffer)
        self.lock = threading.Lock()

    def hello(self, sentinel: bytes, wrong: Optional[Wrong] = None) -> None:
        """Mark the end of whatever the shell's start-up files printed, and say what runs here, or why nothing does."""
        self.send_raw(b"\n" + sentinel)
        header = {"protocol": PROTOCOL, "python": "{}.{}.{}".format(*sys.version_info)}
        self.send(dict(header, error=[wrong.code, str(wrong)]) if wrong else header)

    def receive(self) -> Optional[Tuple[Header, bytes]]:
        """The next frame; None when the gateway is gone."""
        lengths = self.input.read(LENGTHS.size)
        if len(lengths) < LENGTHS.size:
            return None
        head, size = LENGTHS.unpack(lengths)
        header, body = self.input.read(head), self.input.read(size)
        return (json.loads(header.decode()), body) if len(body) == size else None

    def send(self, header: Header, body: bytes = b"") -> None:
        """Answer; the header in ASCII, so that no locale matters."""
        head = json.dumps(header).encode()
        self.send_raw(LENGTHS.pack(len(head), len(body)) + head + body)

    def send_raw(self, data: bytes) -> None:
        with self.lock:
            write_all(STDOUT, data)
