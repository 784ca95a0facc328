"""What many tests share: a real Slurm site and a gateway process on it, booted once for each test process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.gateway import GatewayProcess
from slurm_site import SiteOptions, SlurmSite
from tests.client import Client


@pytest.fixture(scope="session")
def site() -> Iterator[SlurmSite]:
    """A Slurm site as most sites are. Leave it as you found it."""
    with SlurmSite(SiteOptions()) as booted:
        yield booted


@pytest.fixture(scope="session")
def gateway(site: SlurmSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway on the shared site. Leave it running."""
    folder: Path = tmp_path_factory.mktemp("gateway")
    with GatewayProcess(site, folder, cluster="poll_seconds = 5") as running:
        yield running


@pytest.fixture(scope="session")
def alice(gateway: GatewayProcess) -> Iterator[Client]:
    """A user with a folder."""
    with Client.of(gateway, "alice@example.org") as client:
        client.create_user()
        yield client


@pytest.fixture(scope="session")
def bob(gateway: GatewayProcess) -> Iterator[Client]:
    """Another user with a folder."""
    with Client.of(gateway, "bob@example.org") as client:
        client.create_user()
        yield client
