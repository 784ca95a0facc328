"""Growing files: one thread looks at every followed file and tells how far it has grown, with the newest bytes.

It looks every 50 ms at a file that grows and every 200 ms at one that does not; by size, since inotify sees nothing of
what other machines write to a shared file system. Once a second it opens the file again: a network file system asks
its server for the size at open, and a file that was replaced is another one.
"""

import os
import threading
import time
from typing import Dict, Optional, Tuple

from gql_gateway.cluster.agent import paths
from gql_gateway.cluster.agent.paths import Folder
from gql_gateway.cluster.agent.wire import Header, Wire, Wrong

FASTEST = 0.05
SLOWEST = 0.2
REOPEN = 1.0
ABSENT = 0.25
NEWEST = 64 * 1024


class Followed:
    """One file that is looked at."""

    def __init__(self, request: Header) -> None:
        self.request = request
        self.folder, self.name = paths.split(request["parts"])
        self.fd = -1
        self.seen: Optional[Tuple[int, int]] = None
        self.pause = FASTEST
        self.due = 0.0
        self.opened = 0.0

    def look(self, now: float) -> Optional[Tuple[Header, bytes]]:
        """What is new, for the gateway; None where nothing is."""
        if now - self.opened >= REOPEN:
            self.reopen(now)
        status = os.fstat(self.fd) if self.fd >= 0 else None
        state = (status.st_ino, status.st_size) if status else None
        grown = state != self.seen
        self.pause = FASTEST if grown else min(SLOWEST, self.pause * 1.25)
        self.due = now + self.pause
        if not grown or status is None:
            return None
        before, self.seen = self.seen, state
        start = before[1] if before and before[0] == status.st_ino and before[1] <= status.st_size else 0
        offset = max(start, status.st_size - NEWEST)
        return {"file": status.st_ino, "size": status.st_size, "offset": offset}, os.pread(self.fd, NEWEST, offset)

    def reopen(self, now: float) -> None:
        try:
            with Folder(self.request["root"], self.folder) as dir_fd:
                fd, _ = paths.open_regular(dir_fd, self.name)
        except Wrong as wrong:
            if wrong.code != "FILE_NOT_FOUND":
                raise
            self.opened = now - REOPEN + ABSENT
            return
        self.close()
        self.fd, self.opened = fd, now

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Follower:
    """Every followed file of this agent, and the one thread that looks at them."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.files: Dict[int, Followed] = {}
        self.changed = threading.Condition()

    def add(self, request: Header) -> None:
        with self.changed:
            if not self.files:
                threading.Thread(target=self.run, daemon=True).start()
            self.files[request["id"]] = Followed(request)
            self.changed.notify()

    def drop(self, number: int) -> None:
        with self.changed:
            followed = self.files.pop(number, None)
            if followed:
                followed.close()

    def run(self) -> None:
        """Look at what is due, until nothing is followed any more."""
        with self.changed:
            while self.files:
                now = time.monotonic()
                for followed in [found for found in self.files.values() if found.due <= now]:
                    self.look(followed, now)
                if self.files:
                    self.changed.wait(max(0.001, min(found.due for found in self.files.values()) - time.monotonic()))

    def look(self, followed: Followed, now: float) -> None:
        number = followed.request["id"]
        try:
            news = followed.look(now)
        except (Wrong, OSError) as error:
            self.files.pop(number).close()
            code = error.code if isinstance(error, Wrong) else "CLUSTER_UNAVAILABLE"
            self.wire.send({"id": number, "error": [code, str(error)]})
            return
        if news:
            self.wire.send({"id": number, "event": news[0]}, news[1])
