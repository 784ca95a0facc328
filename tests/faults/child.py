"""A gateway that kills itself at a named point.

The real gateway, started in the real way; only the function at the point is wrapped first. It dies by SIGKILL when
the point is passed for the NTH time after a SIGUSR1 has armed it, so that what went before can settle.
"""

import functools
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from gql_gateway.cli import main
from gql_gateway.cluster.bulk import Bulk
from gql_gateway.cluster.channel import AgentChannel
from gql_gateway.cluster.cluster import Cluster
from gql_gateway.services.runs import Runs
from gql_gateway.watcher.reconcile import Recorder

NEVER = "never"

Point = tuple[type, str, str]

POINTS: dict[str, Point] = {
    "createJob: recorded, no folder": (Cluster, "prepare_job", "before"),
    "createJob: folder made, not shown": (Cluster, "prepare_job", "after"),
    "launch: recorded": (Runs, "_record_launch", "after"),
    "sbatch: announced, not sent": (Cluster, "submit", "before"),
    "sbatch: on its way": (AgentChannel, "_send", "sbatch"),
    "sbatch: answered, not recorded": (Cluster, "submit", "after"),
    "queued: about to be recorded": (Recorder, "record", "before"),
    "queued: recorded": (Recorder, "record", "after"),
    "cancel: asked, not recorded": (Runs, "cancel", "before"),
    "scancel: not sent": (Cluster, "cancel", "before"),
    "scancel: on its way": (AgentChannel, "_send", "scancel"),
    "scancel: sent, not noted": (Cluster, "cancel", "after"),
    "squeue: answered, nothing recorded": (Cluster, "queue", "after"),
    "upload: before the first byte": (Cluster, "upload", "before"),
    "upload: bytes on their way": (Bulk, "put", "after"),
    "upload: written, not noted": (Cluster, "upload", "after"),
}


class Countdown:
    """Dies at the nth passing after it was armed."""

    def __init__(self, passings: int) -> None:
        self._left = passings
        self._armed = False
        signal.signal(signal.SIGUSR1, self._arm)

    def _arm(self, *_: object) -> None:
        self._armed = True

    def passing(self) -> None:
        if self._armed:
            self._left -= 1
            if self._left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)


def wrap(point: Point, countdown: Countdown) -> None:
    owner, name, when = point
    function: Callable[..., Awaitable[Any]] = getattr(owner, name)

    @functools.wraps(function)
    async def wrapped(*arguments: Any, **more: Any) -> Any:
        if when == "before":
            countdown.passing()
        result = await function(*arguments, **more)
        if when == "after" or f'["{when}"'.encode() in b"".join(one for one in arguments if isinstance(one, bytes)):
            countdown.passing()
        return result

    setattr(owner, name, wrapped)


def serve(point: str, nth: int, arguments: list[str]) -> None:
    """Run the command line with the nth passing of a point as its end."""
    countdown = Countdown(nth)
    if point != NEVER:
        wrap(POINTS[point], countdown)
    sys.argv = ["gql-gateway", *arguments]
    main()
