"""A scientist at the shared gateway, and one whose line can be cut."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from demo.gateway import GatewayProcess
from gql_gateway.sdk import HpcGateway
from slurm_site import SlurmSite
from tests.sdk.proxy import CuttableLine

IMAGE = "/opt/img/busybox.sif"


@pytest.fixture(scope="session")
def gateway_url(gateway: GatewayProcess) -> str:
    """The shared gateway's address."""
    return gateway.url


@pytest.fixture(scope="session")
def scientist_token(gateway: GatewayProcess) -> str:
    """The token of the scientist below."""
    return gateway.token("sdk@example.org", name="A Scientist")


@pytest.fixture
def new_token(gateway: GatewayProcess) -> str:
    """The token of somebody who never called `create_user`."""
    return gateway.token("newcomer@example.org")


@pytest.fixture(scope="session")
def scientist(gateway_url: str, scientist_token: str) -> Iterator[HpcGateway]:
    """A signed-in user of the shared gateway."""
    with HpcGateway(gateway_url, scientist_token) as client:
        client.create_user()
        yield client


@dataclass(frozen=True)
class Remote:
    """A scientist far away: everything, signed URLs too, goes over a line that can be cut."""

    line: CuttableLine
    gateway: HpcGateway


@pytest.fixture(scope="session")
def remote(site: SlurmSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    """A signed-in user of a gateway behind a line."""
    process = GatewayProcess(site, tmp_path_factory.mktemp("line"), name="far", cluster="poll_seconds = 5")
    with CuttableLine(process.port) as line:
        own = f'public_url = "{process.url}"'
        process.config.write_text(process.config.read_text().replace(own, f'public_url = "{line.url}"'))
        with process, HpcGateway(line.url, process.token("far@example.org"), patience=60) as client:
            client.create_user()
            yield Remote(line, client)
