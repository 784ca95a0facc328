"""The kill bench: ten jobs a round, a gateway that dies by SIGKILL in each, and nobody who helps it up but `start`."""

import asyncio
import os
import random
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path

from demo.gateway import GatewayProcess
from slurm_site import SlurmSite
from tests.client import Client, mint
from tests.faults.child import NEVER, POINTS
from tests.faults.nursery import Fork, Nursery
from tests.faults.users import Caller, Plan, plans
from tests.faults.verdicts import Reckoning, reckon, unsettled

AT_ANY_TIME = "at any time"
LONGEST_ROUND = 12.0
"""Seconds after which a point that was not reached is given up, and the gateway killed all the same."""

WATCHER = """
[watcher]
lease_seconds = 1
resubmit_seconds = 2
record_seconds = 5
status_seconds = 5
"""
"""Impatient, so that a round is short; the rules are the same."""


class MortalGateway(GatewayProcess):
    """A gateway that can be told where to die."""

    def __init__(self, nursery: Nursery, site: SlurmSite, folder: Path, **more: str) -> None:
        super().__init__(site, folder, **({"more": WATCHER, "cluster": "poll_seconds = 2"} | more))
        self._nursery = nursery
        self._point, self._nth = NEVER, 1

    def start_at(self, point: str, nth: int) -> None:
        """Start it with a point, and wait until it is ready."""
        self._point, self._nth = point, nth
        self.start()

    def arm(self) -> None:
        os.kill(self.pid, signal.SIGUSR1)

    @property
    def is_dead(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _spawn(self, *arguments: str) -> Fork:
        return self._nursery.fork(self.log, self._point, self._nth, list(arguments))


@dataclass(slots=True)
class Tally:
    """What came of a number of rounds. Seconds from the death to `/readyz`, and to the last job's end."""

    rounds: int = 0
    not_reached: int = 0
    ready: list[float] = field(default_factory=list)
    settled: float = 0.0
    plans: list[Plan] = field(default_factory=list)


class Bench:
    """A site, a store and a gateway that dies again and again."""

    def __init__(self, site: SlurmSite, gateway: MortalGateway, seed: int) -> None:
        self.site = site
        self.gateway = gateway
        self.tally = Tally()
        self._chance = random.Random(seed)
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, points: list[str]) -> Reckoning:
        """One round for each point; then everything is left to settle and is reckoned up."""
        self._start(points[0])
        token = mint(self.gateway, "bench@example.org")
        with Client(self.gateway.url, token) as client:
            client.create_user()
        try:
            async with Caller(self.gateway.url, token) as caller:
                for number, point in enumerate(points):
                    follower = points[number + 1] if number + 1 < len(points) else NEVER
                    await self._round(caller, number, point, follower)
                started = time.monotonic()
                await asyncio.gather(*self._running)
                await self._settle()
                self.tally.settled = time.monotonic() - started
        finally:
            self.gateway.kill()
        return reckon(self.site, self.gateway.store, self.tally.plans)

    def _start(self, point: str) -> None:
        named = NEVER if point in {AT_ANY_TIME, NEVER} else point
        self.gateway.start_at(named, self._chance.randint(1, 2 if "scancel" in named or "upload" in named else 5))

    async def _round(self, caller: Caller, number: int, point: str, follower: str) -> None:
        made = plans(f"round-{number}", self._chance)
        self.tally.plans += made
        if point != AT_ANY_TIME:
            self.gateway.arm()
        for plan in made:
            task = asyncio.create_task(caller.live(plan))
            self._running.add(task)
            task.add_done_callback(_raise)
        await self._await_death(self._chance.uniform(0, 2.0) if point == AT_ANY_TIME else LONGEST_ROUND)
        self.tally.not_reached += point != AT_ANY_TIME and not self.gateway.is_dead
        self.gateway.kill()
        died = time.monotonic()
        await asyncio.to_thread(self._start, follower)
        self.tally.ready.append(time.monotonic() - died)
        self.tally.rounds += 1

    async def _await_death(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.gateway.is_dead:
            await asyncio.sleep(0.02)

    async def _settle(self) -> None:
        deadline = time.monotonic() + 120
        while (left := unsettled(self.gateway.store)) and time.monotonic() < deadline:
            await asyncio.sleep(0.2)
        for job in left:
            print(f"never settled: {job.id} {job.state} ({job.reason}) {job.slurm_job_id}")


def _raise(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        print(f"a user's day failed: {error!r}")


def schedule(rounds: int, seed: int) -> list[str]:
    """Every named point in turn and kills at any time between them, in an order of chance."""
    chosen = [point for index, name in enumerate(POINTS) for point in ([name, AT_ANY_TIME] if index % 2 else [name])]
    points = (chosen * (rounds // len(chosen) + 1))[:rounds]
    random.Random(seed).shuffle(points)
    return points
