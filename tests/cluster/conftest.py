"""A cluster on the shared site, and a job's folder on it, for each test."""

from collections.abc import AsyncIterator

import pytest

from gql_gateway.cluster.cluster import Cluster
from gql_gateway.cluster.config import ClusterConfig
from slurm_site import SlurmSite
from tests.cluster.places import JobFolder, config_of, job_folder


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def config(site: SlurmSite) -> ClusterConfig:
    return config_of(site)


@pytest.fixture
async def cluster(config: ClusterConfig) -> AsyncIterator[Cluster]:
    """The face of the shared site, connected when it is first used."""
    cluster = Cluster(config)
    yield cluster
    await cluster.close()


@pytest.fixture
async def job(cluster: Cluster, site: SlurmSite) -> AsyncIterator[JobFolder]:
    """A prepared job's folder, removed afterwards."""
    async with job_folder(cluster, site) as folder:
        yield folder
