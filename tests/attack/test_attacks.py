"""Every attack in its short form, on a real site: none may get through. `python -m tests.attack` is the long form."""

from collections.abc import Iterator

import pytest

from slurm_site import SlurmSite
from tests.attack.every import ATTACKS
from tests.attack.tally import Tally
from tests.attack.world import World, open_gateway, peopled


@pytest.fixture(scope="module")
def world(site: SlurmSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("attack")
    with (
        open_gateway(site, folder) as gateway,
        peopled(site, gateway, folder, seconds=6, every=7) as peopled_world,
    ):
        yield peopled_world


@pytest.mark.parametrize("name", ATTACKS)
def test_nothing_escapes(world: World, name: str) -> None:
    tally = Tally()

    ATTACKS[name](world, tally)

    assert tally.tried.total() > 0
    assert tally.escaped == []
