"""A cluster through accounts of its users, on the real site: made when asked for, closed when idle, kept apart."""

from collections.abc import AsyncIterator

import pytest

from gql_gateway.cluster.clusters import AccountLogin, Clusters
from gql_gateway.core.errors import ClusterUnavailable
from gql_gateway.core.ids import new_id
from gql_gateway.core.paths import parse
from slurm_site import SlurmSite
from tests.cluster.places import SCRIPT, config_of, download, recovered, stream

Told = list[tuple[str, str]]
LARGE = b"x" * 20_000_000
"""More than a window: a download of it is under way until it is read."""


@pytest.fixture
def told() -> Told:
    return []


@pytest.fixture
async def clusters(site: SlurmSite, told: Told) -> AsyncIterator[Clusters]:
    login = AccountLogin(str(site.private_key), "/scratch/{account}")
    configs = [config_of(site, name="local"), config_of(site, name="plain")]
    clusters = Clusters(configs, lambda name, command, *_: told.append((name, command)), {"local": login})
    yield clusters
    await clusters.close()


def logins(site: SlurmSite, account: str) -> int:
    """Processes of sshd that serve an account."""
    return int(site.run(["pgrep", "-c", "-u", account, "sshd"], check=False).stdout)


async def test_what_an_account_makes_is_its_own(clusters: Clusters, site: SlurmSite, told: Told) -> None:
    alice = clusters["local@alice"]
    assert alice is clusters["local@alice"]
    folder = f"tests/{new_id()}"
    await alice.prepare_job(folder, SCRIPT)
    await alice.upload(folder, parse("a"), stream(b"alice's"))
    assert await download(alice, folder, "a") == b"alice's"
    found = site.run(["find", f"/scratch/alice/{folder}", "-printf", "%u\\n"]).stdout
    assert set(found.split()) == {"alice"}
    assert {name for name, _ in told} == {"local"}, "accounts are no labels of metrics"
    await alice.remove_job(folder)


async def test_only_names_of_clusters_are_listed(clusters: Clusters) -> None:
    assert clusters["local@alice"].name == "local@alice"
    assert list(clusters) == ["local", "plain"]
    assert "local@alice" not in clusters
    for key in ("gone", "gone@alice", "plain@alice"):
        with pytest.raises(ClusterUnavailable, match="is no longer configured"):
            clusters[key]
    with pytest.raises(ValueError, match="name must be"):
        clusters["local@../alice"]


async def test_an_idle_account_is_logged_out_and_comes_back(clusters: Clusters, site: SlurmSite) -> None:
    bob = clusters["local@bob"]
    await bob.queue()
    folder = f"tests/{new_id()}"
    await bob.prepare_job(folder, SCRIPT)
    await bob.upload(folder, parse("a"), stream(LARGE))
    assert logins(site, "bob") > 0
    async with bob.download(folder, parse("a")) as opened:
        assert bob.idle == 0
        await bob.rest()
        assert b"".join([chunk async for chunk in opened.chunks]) == LARGE
    assert bob.idle > 0
    await bob.rest()
    await recovered(clusters["local"])
    while logins(site, "bob"):
        await recovered(clusters["local"])
    await bob.queue()
    await bob.remove_job(folder)


async def test_accounts_are_looked_up(clusters: Clusters, site: SlurmSite) -> None:
    local = clusters["local"]
    assert await local.uid_of("alice") == int(site.run(["id", "-u", "alice"]).stdout)
    assert await local.uid_of("root") == 0
    assert await local.uid_of("nobody-there") is None


async def test_a_root_is_made_where_it_can_be(site: SlurmSite) -> None:
    for root, fault in (("/home/{account}/made", None), ("/root/{account}", "cannot be made"), ("/home", "belong")):
        clusters = Clusters([config_of(site)], lambda *_: None, {"test": AccountLogin(str(site.private_key), root)})
        try:
            if fault is None:
                await clusters["test@alice"].make_root()
                await clusters["test@alice"].make_root()
                assert site.run(["stat", "-c", "%U %a", "/home/alice/made"]).stdout.split() == ["alice", "700"]
            else:
                with pytest.raises(ClusterUnavailable, match=fault):
                    await clusters["test@alice"].make_root()
        finally:
            await clusters.close()
