"""A line between client and gateway that can be cut: a TCP proxy that resets its connections."""

import socket
import struct
import threading
from contextlib import suppress
from typing import Self

_RESET = struct.pack("ii", 1, 0)


class CuttableLine:
    """Forwards to a port. `up` counts the bytes that went to the gateway; `cut` resets what is open."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._cut_up_at: int | None = None
        self._cut_down_at: int | None = None
        self.up = 0
        self.down = 0
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self) -> None:
        """Reset every connection there is."""
        with self._lock:
            sockets, self._open = self._open, set()
        for one in sockets:
            with suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                one.shutdown(socket.SHUT_RD)
            one.close()

    def cut_when_sent(self, more: int) -> None:
        """Cut once so many more bytes went to the gateway."""
        self._cut_up_at = self.up + more

    def cut_when_received(self, more: int) -> None:
        """Cut once so many more bytes came from the gateway."""
        self._cut_down_at = self.down + more

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                self.connections += 1
                with self._lock:
                    self._open |= {client, server}
                threading.Thread(target=self._pump, args=(client, server, True), daemon=True).start()
                threading.Thread(target=self._pump, args=(server, client, False), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, upwards: bool) -> None:
        with suppress(OSError):
            while data := source.recv(2**18):
                sink.sendall(data)
                self._count(len(data), upwards)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def _count(self, size: int, upwards: bool) -> None:
        with self._lock:
            if upwards:
                self.up += size
            else:
                self.down += size
            due = self._is_due()
        if due:
            self.cut()

    def _is_due(self) -> bool:
        if self._cut_up_at is not None and self.up >= self._cut_up_at:
            self._cut_up_at = None
            return True
        if self._cut_down_at is not None and self.down >= self._cut_down_at:
            self._cut_down_at = None
            return True
        return False
