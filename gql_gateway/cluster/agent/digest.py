"""SHA-256 of a file while it grows: taken right behind its writer, so that little is left to read at its end."""

import hashlib
import os
import threading

BLOCK = 1 << 20


class Digest:
    """Reads a file from its beginning, in a thread of its own, up to where it is known to have grown.

    What was written lately is read from memory, and hashing lets the writer go on meanwhile. What was there `before`
    is read once as much has been added, or at the end: a file that comes in many small requests would else be read
    from its beginning in each of them.
    """

    def __init__(self, fd: int, before: int) -> None:
        self.fd = fd
        self.size = before
        self.enough = 2 * before
        self.news = threading.Condition()
        self.found = hashlib.sha256()
        self.whole = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def grown(self, size: int) -> None:
        """So many bytes more are written."""
        with self.news:
            self.size += size
            self.news.notify()

    def hexdigest(self) -> str:
        """The digest of the file, which does not grow any more."""
        with self.news:
            self.whole = True
            self.news.notify()
        self.thread.join()
        return self.found.hexdigest()

    def run(self) -> None:
        offset = 0
        while offset < self.reachable(offset):
            block = os.pread(self.fd, min(BLOCK, self.size - offset), offset)
            if not block:
                return
            self.found.update(block)
            offset += len(block)

    def reachable(self, offset: int) -> int:
        """Wait until there is more to read behind an offset, or will be no more; where it ends."""
        with self.news:
            while not self.whole and self.size < max(self.enough, offset + 1):
                self.news.wait()
            return self.size
