"""How much one user may ask for: requests in a minute, subscriptions at once. Each process counts for itself."""

import math
import time
from collections import Counter

from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from gql_gateway.core.errors import LimitExceeded, RateExceeded


class Allowance:
    """Counts what each user asks for, whichever token they come with."""

    def __init__(self, requests_per_minute: int, subscriptions: int) -> None:
        self._rate = RateLimitItemPerMinute(requests_per_minute)
        self._subscriptions = subscriptions
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._open: Counter[str] = Counter()

    @property
    def open(self) -> int:
        """Subscriptions of all users that are open now."""
        return self._open.total()

    async def request(self, email: str) -> None:
        """Count one request of a user's.

        Raises:
            RateExceeded: too many in the last minute; with the seconds after which there is room again.
        """
        if await self._limiter.hit(self._rate, email):
            return
        window = await self._limiter.get_window_stats(self._rate, email)
        wait = max(1, math.ceil(window.reset_time - time.time()))
        words = f"You made {self._rate.amount} requests in the last minute, which is the limit: wait {wait} s."
        raise RateExceeded(words, retry_after=wait)

    def subscription(self, email: str) -> "Open":
        """Count one subscription of a user's for as long as it is open.

        Raises:
            LimitExceeded: too many are open.
        """
        return Open(self._open, email, self._subscriptions)


class Open:
    """A subscription while it is open. No generator, which would hold half a KiB for each of them."""

    __slots__ = ("_email", "_most", "_open")

    def __init__(self, open_: Counter[str], email: str, most: int) -> None:
        self._open = open_
        self._email = email
        self._most = most

    def __enter__(self) -> None:
        if self._open[self._email] >= self._most:
            raise LimitExceeded(f"You have {self._most} subscriptions open, which is the limit: close one.")
        self._open[self._email] += 1

    def __exit__(self, *_: object) -> None:
        self._open[self._email] -= 1
        if not self._open[self._email]:
            del self._open[self._email]
