"""Sites and gateways that may be broken: none of them is shared with other tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from slurm_site import SiteOptions, SlurmSite
from tests.client import Client
from tests.faults.bench import MortalGateway
from tests.faults.nursery import Nursery


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    with Nursery() as tended:
        yield tended


@pytest.fixture(scope="module")
def frail(request: pytest.FixtureRequest) -> Iterator[SlurmSite]:
    """A site of this file's own. Mend what you break."""
    options = getattr(request.module, "SITE", SiteOptions())
    with SlurmSite(options) as booted:
        yield booted


@pytest.fixture
def mortal(nursery: Nursery, frail: SlurmSite, tmp_path: Path) -> Iterator[MortalGateway]:
    """An impatient gateway on that site."""
    with MortalGateway(nursery, frail, tmp_path) as running:
        yield running


@pytest.fixture
def ada(mortal: MortalGateway) -> Iterator[Client]:
    with Client.of(mortal, "ada@example.org") as client:
        client.create_user()
        yield client
