"""How long a lost connection is tried again: growing, jittered waits, counted anew after each sign of life."""

import asyncio
import random
import time

from gql_gateway.sdk.errors import ConnectionLost

_FIRST_WAIT = 0.2
_LONGEST_WAIT = 15.0
_LIVED = 5.0
"""Seconds that a silent connection must have lasted to count as a sign of life."""


class Patience:
    """The tries of one call or stream: after `seconds` of nothing but losses, the last one is raised."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._wait = _FIRST_WAIT
        self._first_loss: float | None = None
        self._connected: float | None = None
        self._furthest = 0

    def reached(self, position: int) -> None:
        """A transfer is so far; that it got this far once before is no progress."""
        if position > self._furthest:
            self._furthest = position
            self.progress()

    def progress(self) -> None:
        """Something arrived: the next loss is a first one again."""
        self._wait = _FIRST_WAIT
        self._first_loss = None

    def connected(self) -> None:
        """A connection stands; it counts as progress once it has lasted."""
        self._connected = time.monotonic()

    async def after(self, loss: ConnectionLost) -> None:
        """Wait before the next try.

        Raises:
            ConnectionLost: patience is at its end.
        """
        now = time.monotonic()
        if self._connected is not None and now - self._connected > _LIVED:
            self.progress()
        self._connected = None
        self._first_loss = self._first_loss or now
        if now + self._wait - self._first_loss > self._seconds:
            raise loss
        await asyncio.sleep(self._wait * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, no secret
        self._wait = min(self._wait * 2, _LONGEST_WAIT)
