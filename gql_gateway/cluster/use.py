"""Whether something is in use, and since when it is not: what is idle for long can be closed."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic


class Use:
    """How many use it, and when the last one left."""

    def __init__(self) -> None:
        self._users = 0
        self._since = monotonic()

    @property
    def idle(self) -> float:
        """Seconds since when it is not; 0 while it is."""
        return 0.0 if self._users else monotonic() - self._since

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Use it."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            self._since = monotonic()
