"""Files on their way to the disk while they arrive, so that little is left to be waited for at their end."""

import os
import threading
from typing import Optional

STEP = 32 << 20
"""Bytes that gather in memory before the disk is asked to take them."""


class Settling:
    """Has the disk take what is written to a file, beside its writer, and one step at a time.

    The system itself begins late: a GiB was still in memory whole when its last byte had come, and fsync took 0.6 of
    3.6 s. Where the disk is slower than the network, the steps grow.
    """

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.gathered = 0
        self.thread: Optional[threading.Thread] = None
        self.error: Optional[OSError] = None

    def grown(self, size: int) -> None:
        """So many bytes more are written."""
        self.gathered += size
        if self.gathered >= STEP and not (self.thread and self.thread.is_alive()):
            self.gathered = 0
            self.thread = threading.Thread(target=self.settle, daemon=True)
            self.thread.start()

    def settle(self) -> None:
        try:
            os.fdatasync(self.fd)
        except OSError as error:
            self.error = error

    def end(self) -> None:
        """Wait for a step that was begun, and raise what went wrong: Linux says it once, and fsync not again."""
        if self.thread:
            self.thread.join()
        if self.error:
            raise self.error
