"""For how long the witnesses have said nothing of a job, by this process's own steady clock.

Silence counts from answer to answer: a question that found nobody begins it anew, for a cluster that could not be
asked was not silent. A process that starts begins anew too. So neither a clock that is set, nor an outage, nor a
restart can make a job lost or have it submitted again: each only makes the gateway wait longer.
"""

from collections.abc import Callable, Collection
from datetime import timedelta
from time import monotonic


class Silences:
    """Since when each job has been silent. `clock` is in seconds and never set."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._since: dict[str, float] = {}

    def heard_nothing(self, job_id: str) -> timedelta:
        """Note one more answer without a word of this job; how long ago the first of them was."""
        now = self._clock()
        return timedelta(seconds=now - self._since.setdefault(job_id, now))

    def begin_anew(self, job_id: str) -> None:
        """The job was heard of, or could not be asked for."""
        self._since.pop(job_id, None)

    def keep_only(self, job_ids: Collection[str]) -> None:
        """Forget every other job."""
        self._since = {job_id: since for job_id, since in self._since.items() if job_id in job_ids}
