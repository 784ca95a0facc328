"""Rounds for users' own accounts: one for each that has something to be done, begun and ended as that changes."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

import structlog

from gql_gateway.core.states import JobState
from gql_gateway.store import accounts
from gql_gateway.store.database import Database
from gql_gateway.watcher.rounds import SLOW_LOOK_SECONDS, Rounds

log = structlog.get_logger()

LINGER_SECONDS = 60.0
"""How long the rounds go on behind an account's last job: the next one is launched without a new beginning."""


@dataclass(slots=True)
class _Made:
    """Rounds that are being made. `busy_at`: when there was last something to be done, by a steady clock."""

    rounds: Rounds
    task: asyncio.Task[None]
    busy_at: float


class AccountRounds:
    """The rounds for all accounts of a cluster. `begin` makes those of one by its key."""

    def __init__(self, database: Database, cluster: str, begin: Callable[[str], Rounds]) -> None:
        self._database = database
        self._cluster = cluster
        self._begin = begin
        self._made: dict[str, _Made] = {}

    async def run(self) -> None:
        """Look for ever which accounts have something to be done."""
        try:
            async with self._database.signal.listen(JobState.LAUNCHING) as bell, asyncio.TaskGroup() as group:
                while True:
                    async with self._database.reading() as session:
                        busy = await accounts.busy(session, self._cluster)
                    for key in busy:
                        self._see_to(key, group)
                    self._drop_idle()
                    await bell.wait(SLOW_LOOK_SECONDS)
        finally:
            self._made.clear()

    def of(self, key: str) -> Rounds | None:
        """The rounds that are made for an account, for something to be done; None where there are none yet."""
        made = self._made.get(key)
        if made is None:
            return None
        made.busy_at = monotonic()
        return made.rounds

    def resume(self) -> None:
        """The cluster is back."""
        for made in self._made.values():
            made.rounds.resume()

    def _see_to(self, key: str, group: asyncio.TaskGroup) -> None:
        if made := self._made.get(key):
            made.busy_at = monotonic()
            return
        rounds = self._begin(key)
        log.info("account is watched", cluster=key)
        self._made[key] = _Made(rounds, group.create_task(rounds.run()), monotonic())

    def _drop_idle(self) -> None:
        for key, made in list(self._made.items()):
            if monotonic() - made.busy_at > LINGER_SECONDS:
                log.info("account has nothing to be watched", cluster=key)
                made.task.cancel()
                del self._made[key]
