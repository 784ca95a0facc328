"""A wire that can be cut: a TCP proxy before the site's sshd that passes bytes on, swallows them, or resets."""

import select
import socket
import struct
import threading
from pathlib import Path
from typing import Self

from slurm_site import SlurmSite

LINGER_0 = struct.pack("ii", 1, 0)
"""Closing with this sends a reset."""


class Wire:
    """Forwards every connection to the site. As `site` of a gateway it stands for the site itself."""

    def __init__(self, site: SlurmSite, folder: Path) -> None:
        self.host, self.username, self.root = site.host, site.username, site.root
        self.private_key = site.private_key
        self._target = (site.host, site.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.known_hosts = folder / "known_hosts_of_the_wire"
        self.known_hosts.write_text(site.known_hosts.read_text().replace(f":{site.port} ", f":{self.port} "))
        self._pairs: dict[socket.socket, socket.socket] = {}
        self._swallows = False
        self._closed = False
        self._thread = threading.Thread(target=self._forward, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        self._thread.join(5)
        self.reset()
        self._listener.close()

    def swallow(self) -> None:
        """Accept everything and deliver nothing, like a firewall that forgot the connection."""
        self._swallows = True

    def deliver(self) -> None:
        """Deliver again on new connections; the old ones have lost bytes and are reset."""
        self.reset()
        self._swallows = False

    def reset(self) -> None:
        """Reset every connection; new ones are taken."""
        for one in list(self._pairs):
            self._drop(one)

    def _drop(self, one: socket.socket) -> None:
        for end in (one, self._pairs.pop(one, None)):
            if end is not None and end.fileno() >= 0:
                self._pairs.pop(end, None)
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_0)
                end.close()

    def _forward(self) -> None:
        while not self._closed:
            open_ends = [self._listener, *(end for end in list(self._pairs) if end.fileno() >= 0)]
            try:
                readable, _, _ = select.select(open_ends, [], [], 0.05)
            except (OSError, ValueError):  # one was reset meanwhile
                continue
            for end in readable:
                self._accept() if end is self._listener else self._pass_on(end)

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        try:
            far = socket.create_connection(self._target)
        except OSError:
            near.close()
            return
        self._pairs[near], self._pairs[far] = far, near

    def _pass_on(self, end: socket.socket) -> None:
        other = self._pairs.get(end)
        try:
            data = end.recv(65536)
            if data and other and not self._swallows:
                other.sendall(data)
        except OSError:
            data = b""
        if not data:
            self._drop(end)
