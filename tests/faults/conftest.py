"""Sites and gateways that may be broken: none of them is shared with other tests."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from slurm_site import SiteOptions, SlurmSite
from tests.client import Client
from tests.faults.bench import MortalGateway
from tests.faults.clock import RIGHT, Clock
from tests.faults.nursery import Nursery
from tests.sites import KINDS, of_kind


@pytest.fixture(scope="session")
def nursery() -> Iterator[Nursery]:
    with Nursery() as tended:
        yield tended


@pytest.fixture(scope="module")
def _clock() -> Iterator[Clock]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # PostgreSQL, which looks at it too, is nobody
        yield Clock(Path(folder) / "ahead")


@pytest.fixture
def clock(_clock: Clock) -> Clock:
    """The clock that a `clockwork` and what it forks live by. It is right at first."""
    _clock.set(RIGHT)
    return _clock


@pytest.fixture(scope="module")
def clockwork(_clock: Clock) -> Iterator[Nursery]:
    """Where gateways come from whose clock can be set."""
    with Nursery(_clock.environment) as tended:
        yield tended


@pytest.fixture(scope="module")
def frail(request: pytest.FixtureRequest) -> Iterator[SlurmSite]:
    """A site of this file's own, of the kind that `--site` says. Mend what you break."""
    wish = getattr(request.module, "SITE", SiteOptions())
    with SlurmSite(of_kind(KINDS[request.config.getoption("--site")], wish)) as booted:
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
