"""What many tests share: a real Slurm site and a gateway process on it, booted once for each test process."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from demo.gateway import GatewayProcess
from slurm_site import SlurmSite
from tests.client import Client
from tests.sites import KINDS

# How long an example takes says how busy the machine is, and nothing about the code.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="also the faults that take long to happen or to pass")
    parser.addoption("--site", choices=KINDS, default="usual", help="kind of Slurm site for tests of the whole gateway")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "long: takes long by the nature of what is waited for; runs with --long")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--long"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="runs with --long"))


@pytest.fixture(scope="session")
def site(request: pytest.FixtureRequest) -> Iterator[SlurmSite]:
    """A Slurm site as most sites are, or of the kind that `--site` says. Leave it as you found it."""
    with SlurmSite(KINDS[request.config.getoption("--site")]) as booted:
        yield booted


@pytest.fixture(scope="session")
def gateway(site: SlurmSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    """A gateway on the shared site. Leave it running."""
    folder: Path = tmp_path_factory.mktemp("gateway")
    cluster = f"poll_seconds = 5\nmax_sessions = {site.options.max_sessions}"
    with GatewayProcess(site, folder, cluster=cluster) as running:
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
