"""What is written down of every remote operation: one log line and one observation, never any content."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

import structlog

from gql_gateway.core.errors import Refused

log = structlog.get_logger()

Observer = Callable[[str, str, float, str], None]
"""Told of each remote operation: cluster, what it was, seconds, how it ended (`ok`, an error code, `broken off`)."""


class Journal:
    """The journal of one lane."""

    def __init__(self, cluster: str, lane: str, observe: Observer) -> None:
        self._log = log.bind(cluster=cluster, lane=lane)
        self._cluster = cluster
        self._observe = observe

    @contextmanager
    def entry(self, command: str) -> Iterator[None]:
        """Write down what is done inside, whatever becomes of it."""
        started, outcome = monotonic(), "broken off"
        try:
            yield
            outcome = "ok"
        except Refused as refused:
            outcome = refused.code.value
            raise
        finally:
            seconds = monotonic() - started
            self._log.info("remote", command=command, seconds=round(seconds, 4), outcome=outcome)
            self._observe(self._cluster, command, seconds, outcome)
