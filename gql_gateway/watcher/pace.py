"""How fast jobs are handed to one cluster's Slurm, by all who submit there together."""

from time import monotonic


class Pace:
    """Turns, at most `rate` a second."""

    def __init__(self, rate: float) -> None:
        self._gap = 1.0 / rate
        self._next = 0.0

    @property
    def is_free(self) -> bool:
        """Whether a turn could be had at once."""
        return monotonic() >= self._next

    def turn(self) -> float:
        """Take the next turn; seconds until it comes."""
        now = monotonic()
        turn = max(now, self._next)
        self._next = turn + self._gap
        return turn - now
