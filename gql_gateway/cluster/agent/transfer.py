"""One transfer that owns its channel: raw bytes between a file and the wire."""

import os

from gql_gateway.cluster.agent import paths
from gql_gateway.cluster.agent.arrival import Arrival
from gql_gateway.cluster.agent.paths import Folder
from gql_gateway.cluster.agent.settling import Settling
from gql_gateway.cluster.agent.wire import LENGTH, STDOUT, Header, Wire, write_all

BLOCK = 1 << 20


def upload(wire: Wire, request: Header) -> Header:
    """Read pieces, each after its length, up to an empty one, which alone says that the file is whole.

    Where input ends before, the gateway or its caller is gone: nothing stays.
    """
    with Arrival(request) as arrival:
        buffer = memoryview(bytearray(BLOCK))
        settling = Settling(arrival.fd)
        while True:
            length = wire.input.read(LENGTH.size)
            if len(length) < LENGTH.size:
                raise EOFError
            left = LENGTH.unpack(length)[0]
            if not left:
                settling.end()
                return {"entry": arrival.place()}
            while left:
                size = wire.input.readinto(buffer[: min(left, BLOCK)])
                if not size:
                    raise EOFError
                write_all(arrival.fd, buffer[:size])
                settling.grown(size)
                left -= size


class Source:
    """A regular file on its way out: told of first, then sent as raw bytes."""

    def __init__(self) -> None:
        self.fd = -1
        self.offset = 0
        self.left = 0

    def open(self, request: Header) -> Header:
        """What the file is, and how many bytes will come."""
        folder, name = paths.split(request["parts"])
        with Folder(request["root"], folder) as dir_fd:
            self.fd, status = paths.open_regular(dir_fd, name)
        self.offset = request["offset"]
        self.left = max(0, status.st_size - self.offset)
        if request["length"] is not None:
            self.left = min(self.left, request["length"])
        return {"entry": paths.described(name, status), "length": self.left}

    def send(self) -> None:
        """Send them; fewer where the file shrank or cannot be read, which the gateway sees by counting."""
        while self.left:
            try:
                sent = os.sendfile(STDOUT, self.fd, self.offset, min(self.left, BLOCK))
            except OSError:
                return
            if not sent:
                return
            self.offset += sent
            self.left -= sent
