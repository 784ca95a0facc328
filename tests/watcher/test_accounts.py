"""Rounds for accounts: they begin with the first job that is launched, and end some time behind the last."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gql_gateway.cluster.clusters import AccountLogin, Clusters
from gql_gateway.cluster.config import ClusterConfig
from gql_gateway.core.states import JobState
from gql_gateway.store import jobs
from gql_gateway.store.database import Database
from gql_gateway.watcher import accounts
from gql_gateway.watcher.accounts import AccountRounds
from gql_gateway.watcher.lead import Leadership
from gql_gateway.watcher.pace import Pace
from gql_gateway.watcher.rounds import Rounds, WatcherOptions
from tests.store.rows import a_job, a_user

pytestmark = pytest.mark.anyio


async def test_rounds_come_and_go_with_the_jobs(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "LINGER_SECONDS", 0.2)
    monkeypatch.setattr(accounts, "SLOW_LOOK_SECONDS", 0.05)
    nothing = tmp_path / "nothing"
    config = ClusterConfig("local", "127.0.0.1", 1, "nobody", nothing, nothing, "/scratch")
    clusters = Clusters([config], lambda *_: None, {"local": AccountLogin(str(nothing), "/scratch/{account}")})
    leadership = Leadership(database, "local", "me", 10)
    begun: list[str] = []

    def begin(key: str) -> Rounds:
        begun.append(key)
        return Rounds(database, clusters[key], WatcherOptions(), leadership.holds, Pace(50), asyncio.Event())

    rounds = AccountRounds(database, "local", begin)
    running = asyncio.create_task(rounds.run())
    try:
        owner = await a_user(database)
        made = [await a_job(database, owner, cluster=f"local@{name}") for name in ("alice", "bob")]
        async with asyncio.timeout(20), database.signal.listen() as bell:
            await move(database, made[0].id, JobState.LAUNCHING)
            while begun != ["local@alice"]:
                await bell.wait(0.05)
            await move(database, made[1].id, JobState.LAUNCHING)
            while set(rounds._made) != {"local@alice", "local@bob"}:
                await bell.wait(0.05)
            await move(database, made[0].id, JobState.CANCELLED)
            while set(rounds._made) != {"local@bob"}:
                await bell.wait(0.05)
        assert begun == ["local@alice", "local@bob"]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await clusters.close()
    assert not set(rounds._made)


async def move(database: Database, job_id: str, state: JobState) -> None:
    async with database.transaction() as session:
        job = await jobs.get(session, job_id, owner_id=None)
        assert job
        await jobs.advance(session, job, state, at=datetime.now(UTC))
