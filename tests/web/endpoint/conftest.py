"""An endpoint to ask, one for each file of tests: starting one takes longer than most of them."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from gql_gateway.store import migrations
from gql_gateway.store.tables import Job
from tests.store.rows import a_job
from tests.web.endpoint.running import SPEC, Running, running


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "gateway.db"
    migrations.upgrade(f"sqlite+aiosqlite:///{path}")
    return path


@pytest.fixture(scope="module")
async def running_gateway(store: Path) -> AsyncIterator[Running]:
    async with running(store) as one:
        yield one


@pytest.fixture
def gateway(running_gateway: Running) -> Running:
    """The endpoint, with an empty shelf."""
    running_gateway.shelf.clear()
    return running_gateway


@pytest.fixture
async def job(gateway: Running) -> Job:
    """A job of Ada's, for one test."""
    return await a_job(gateway.database, gateway.ada, spec=SPEC)


@pytest.fixture
async def client(gateway: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(headers=gateway.headers) as one:
        yield one
