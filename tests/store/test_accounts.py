"""Under which accounts a cluster has jobs, and which of them need somebody to look after them."""

from gql_gateway.core.states import JobState
from gql_gateway.store import accounts, pages
from gql_gateway.store.database import Database
from gql_gateway.store.pages import Part
from tests.store.rows import a_job, a_user


async def test_accounts_of_one_cluster_and_no_other(database: Database) -> None:
    owner = await a_user(database)
    for name in ("local", "local@bob", "local@alice", "local@alice", "local2@carl", "Local@dora", "loca@eve", "z"):
        await a_job(database, owner, cluster=name)
    async with database.reading() as session:
        assert sorted(await accounts.used(session, "local")) == ["local@alice", "local@bob"]
        assert await accounts.used(session, "none") == []
        assert await accounts.busy(session, "local") == []


async def test_an_empty_store_has_none(database: Database) -> None:
    async with database.reading() as session:
        assert await accounts.used(session, "local") == []
        assert await accounts.busy(session, "local") == []


async def test_busy_is_who_has_launched_jobs_or_unpaid_ones(database: Database) -> None:
    owner = await a_user(database)
    for name, values in {
        "local": {"state": JobState.RUNNING},
        "local@alice": {"state": JobState.LAUNCHING},
        "local@bob": {"state": JobState.COMPLETED, "usage_due": True},
        "local@carl": {"state": JobState.COMPLETED},
        "local@dora": {"state": JobState.CREATED},
        "other@fay": {"state": JobState.RUNNING},
    }.items():
        await a_job(database, owner, cluster=name, **values)
    async with database.reading() as session:
        assert sorted(await accounts.busy(session, "local")) == ["local@alice", "local@bob"]


async def test_a_cluster_s_jobs_are_found_under_whichever_account(database: Database) -> None:
    owner = await a_user(database)
    for name in ("local", "local@alice", "local@bob", "Local@alice", "local2", "local2@alice"):
        await a_job(database, owner, cluster=name)
    page = await pages.page(database, owner.id, Part(first=50), cluster="local")
    assert sorted(job.cluster for job in page.rows) == ["local", "local@alice", "local@bob"]
