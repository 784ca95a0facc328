"""What is done for the jobs of one account on a cluster, and when: woken by the event log, by notices and by the clock.

A notice only wakes the poller, so a lost one costs time and nothing else. One poll asks for all jobs, whoever
watches. While nothing is expected the poller rests for the base interval; after a notice, a submission or a cancel it
looks again in short, growing waits until what was announced is seen.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from sqlmodel.ext.asyncio.session import AsyncSession

from gql_gateway.cluster.cluster import Cluster
from gql_gateway.core.errors import Refused
from gql_gateway.core.ids import slurm_name
from gql_gateway.core.states import FINAL, JobState
from gql_gateway.store.database import Database
from gql_gateway.store.events import topic_of
from gql_gateway.watcher.cancel import Canceller
from gql_gateway.watcher.pace import Pace
from gql_gateway.watcher.reconcile import Observer
from gql_gateway.watcher.submit import Submitter
from gql_gateway.watcher.usage import Bookkeeper
from gql_gateway.watcher.verdict import Patience

log = structlog.get_logger()

GAP_SECONDS = 0.05
"""Least time between two polls, however many notices come."""

LOAD = 5
"""A poll rests at least so many times as long as the last one took."""

LOOKS = 25
"""How often an announced change is looked for in quick succession before the base interval must do."""

LONGEST_LOOK_SECONDS = 0.4
"""Between two of these looks. slurmctld may hear of an end seconds after run.sh told of it; one that is looked for in
ever growing waits is then told half as long again too late (1.4 s were seen)."""

BACK_OFF_MOST_SECONDS = 120.0
BOOKS_SECONDS = 3.0
"""Time in which ended jobs gather before accounting is asked what they used."""

SLOW_LOOK_SECONDS = 5.0
SETTLED_SECONDS = 60.0
"""A loop that ran for so long and failed begins again at once."""


@dataclass(frozen=True, slots=True)
class WatcherOptions:
    """`submit_rate` is submissions a second to one cluster, `notices` whether run.sh's notices are followed."""

    submit_rate: float = 50.0
    lease_seconds: float = 15.0
    status_seconds: float = 60.0
    sweep_seconds: float = 600.0
    notices: bool = True
    patience: Patience = field(default_factory=Patience)
    event_retention: timedelta = timedelta(days=90)
    audit_retention: timedelta = timedelta(days=730)


@dataclass(slots=True)
class _Expected:
    """A change that was announced: of an end, or of a start. `looks` counts the polls that did not show it yet."""

    end: bool
    looks: int = 0

    def is_met(self, state: JobState | None) -> bool:
        """Whether this state (None: no longer watched) is what was announced."""
        return state is None or state in FINAL or not (self.end or state is JobState.QUEUED)


class Rounds:
    """Everything that is done for the jobs of one account, while this process leads (`leads`)."""

    def __init__(
        self,
        database: Database,
        cluster: Cluster,
        options: WatcherOptions,
        leads: Callable[[AsyncSession], Awaitable[bool]],
        pace: Pace,
        trouble: asyncio.Event,
    ) -> None:
        self._database = database
        self._cluster = cluster
        self._options = options
        self._trouble = trouble
        self._observer = Observer(database, cluster, options.patience)
        self.submitter = Submitter(database, cluster, options.patience, leads, pace)
        self._canceller = Canceller(database, cluster)
        self._bookkeeper = Bookkeeper(database, cluster)
        self._look = asyncio.Event()
        self._back = asyncio.Event()
        self._expected: dict[str, _Expected] = {}
        self.compared = False
        """Whether the store was compared with Slurm since this was made."""

    async def run(self) -> None:
        """Make the rounds for ever. A poll that fails sets `trouble`."""
        steps = [self._submit, self._cancel, self._poll, self._keep_books]
        if self._options.notices:
            steps.append(self._listen)
        async with asyncio.TaskGroup() as group:
            for step in steps:
                group.create_task(for_ever(step, cluster=self._cluster.name))

    def resume(self) -> None:
        """The cluster is back: nothing needs to wait any longer before trying again."""
        self.submitter.resume()
        self._back.set()

    # -- carrying out -------------------------------------------------------------------------------------------

    async def _submit(self) -> None:
        async with self._database.signal.listen(topic_of(self._cluster.name, JobState.LAUNCHING)) as bell:
            while True:
                wait = await self.submitter.carry_out()
                if self.submitter.take_submitted():
                    self._look.set()
                await bell.wait(_most(wait))

    async def _cancel(self) -> None:
        # A cancel rings every bell. QUEUED: it may have been asked for while the outcome of the sbatch was unknown.
        async with self._database.signal.listen(topic_of(self._cluster.name, JobState.QUEUED)) as bell:
            while True:
                wait = await self._canceller.carry_out()
                for job_id in self._canceller.take_touched():
                    self._expect(slurm_name(job_id), end=True)
                await bell.wait(_most(wait))
                await asyncio.sleep(0)  # whoever waits for the answer to a launch was rung for last, and goes first

    # -- polling ------------------------------------------------------------------------------------------------

    async def _poll(self) -> None:
        failures, last_took = 0, 0.0
        while True:
            self._look.clear()
            self._back.clear()
            started = asyncio.get_running_loop().time()
            try:
                self._settle(await self._observer.observe())
                self.compared = True
                failures = 0
            except Refused as refused:
                failures += 1
                self._trouble.set()
                log.warning("poll failed", cluster=self._cluster.name, error=str(refused), failures=failures)
            took = asyncio.get_running_loop().time() - started
            # One slow answer (a controller that was just started) is no load yet; two are.
            await self._rest(min(took, last_took), failures)
            last_took = took

    async def _rest(self, took: float, failures: int) -> None:
        base = max(self._cluster.config.poll_seconds, LOAD * took)
        if failures:
            await self._rest_after_failure(failures)
            return
        least = max(GAP_SECONDS, LOAD * took)
        if self._expected:
            looked = min(expected.looks for expected in self._expected.values())
            base = min(base, max(least, min(least * 1.5**looked, LONGEST_LOOK_SECONDS)))
        await asyncio.sleep(least)
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, base - least)):
                await self._look.wait()

    async def _rest_after_failure(self, failures: int) -> None:
        """A cluster that does not answer is not asked faster because of notices that wait, but once it is back."""
        longest = min(self._cluster.config.poll_seconds * 2 ** (failures - 1), BACK_OFF_MOST_SECONDS)
        with suppress(TimeoutError):
            async with asyncio.timeout(longest * random.uniform(0.8, 1.2)):  # noqa: S311 - jitter
                await self._back.wait()

    def _expect(self, token: str, *, end: bool) -> None:
        """A start or an end was announced of this job: look until it shows."""
        known = self._expected.get(token)
        self._expected[token] = _Expected(end=end or (known is not None and known.end))
        self._look.set()

    def _settle(self, seen: Mapping[str, JobState]) -> None:
        """Drop what was expected and came, or was looked for often enough."""
        for token, expected in list(self._expected.items()):
            expected.looks += 1
            if expected.looks > LOOKS or expected.is_met(seen.get(token)):
                del self._expected[token]

    async def _listen(self) -> None:
        async for line in self._cluster.notices():
            token, _, kind = line.partition(" ")
            self._expect(token, end=kind.startswith("end"))

    # -- the books ------------------------------------------------------------------------------------------------

    async def _keep_books(self) -> None:
        async with self._database.signal.listen() as bell:
            while True:
                started = asyncio.get_running_loop().time()
                asked = await self._bookkeeper.carry_out()
                took = asyncio.get_running_loop().time() - started
                await asyncio.sleep(max(BOOKS_SECONDS, LOAD * took))
                if not asked:
                    await bell.wait(self._options.status_seconds)


async def for_ever(step: Callable[[], Awaitable[None]], *, cluster: str) -> None:
    """Run a loop; one that fails is logged and begun again, since nobody is there to do it by hand."""
    wait = 1.0
    clock = asyncio.get_running_loop().time
    while True:
        started = clock()
        try:
            await step()
        except Refused as refused:
            log.warning("watcher step put off", step=step.__name__, cluster=cluster, error=str(refused))
        except Exception:
            log.exception("watcher step failed", step=step.__name__, cluster=cluster)
        wait = 1.0 if clock() - started > SETTLED_SECONDS else min(wait * 2, 30.0)
        await asyncio.sleep(wait)


def _most(wait: float | None) -> float:
    """How long to wait for the bell: it may be lost, so never for long."""
    return SLOW_LOOK_SECONDS if wait is None else min(wait, SLOW_LOOK_SECONDS)
