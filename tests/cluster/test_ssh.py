"""Lanes on a site as bad as they come: noisy start-up files, MaxSessions 3, connections cut, frozen and refused."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from time import monotonic

import asyncssh
import pytest

from gql_gateway.cluster.cluster import Cluster
from gql_gateway.cluster.config import ClusterConfig
from gql_gateway.cluster.door import Door
from gql_gateway.cluster.remote import Remote
from gql_gateway.cluster.ssh import Lane
from gql_gateway.core import paths
from gql_gateway.core.errors import ClusterTimeout, ClusterUnavailable, Refused
from slurm_site import SiteOptions, SlurmSite
from tests.cluster.places import config_of, download, job_folder, recovered, running, until, upload


@pytest.fixture(scope="module")
def rough() -> Iterator[SlurmSite]:
    with SlurmSite(SiteOptions(max_sessions=3, banner=True, accounting=False)) as booted:
        yield booted


@pytest.fixture
def config(rough: SlurmSite) -> ClusterConfig:
    return config_of(rough, max_sessions=3, connect_timeout=2, keepalive_seconds=0.5)


@pytest.fixture
async def cluster(config: ClusterConfig) -> AsyncIterator[Cluster]:
    cluster = Cluster(config)
    yield cluster
    await cluster.close()


@pytest.fixture
async def remote(config: ClusterConfig) -> AsyncIterator[Remote]:
    remote = Remote(Lane(config, "test", Door()), config, lambda *_: None)
    yield remote
    await remote.close()


async def failure(config: ClusterConfig) -> str:
    """What a gateway says that cannot connect."""
    cluster = Cluster(config)
    try:
        await cluster.start()
        with pytest.raises(ClusterUnavailable) as unavailable:
            await cluster.queue()
        started = monotonic()
        with pytest.raises(ClusterUnavailable) as again:
            await cluster.queue()
        assert (str(again.value), monotonic() - started < 0.2) == (str(unavailable.value), True)  # no second knock yet
        assert not (await cluster.probe()).available
        return str(unavailable.value)
    finally:
        await cluster.close()


async def test_noise_and_few_sessions_stop_nothing(cluster: Cluster, rough: SlurmSite) -> None:
    async with job_folder(cluster, rough) as job:
        names = [f"f{number}" for number in range(6)]
        await asyncio.gather(*(upload(cluster, job.name, name, b"x" * 300_000) for name in names))
        found = await asyncio.gather(
            *(cluster.list(job.name, paths.parse_folder("")) for _ in range(50)),
            *(cluster.queue() for _ in range(10)),
            *(download(cluster, job.name, name) for name in names),
        )
        assert [len(entries) for entries in found[:50]] == [7] * 50
        assert {len(data) for data in found[60:]} == {300_000}


async def test_another_host_key_is_never_accepted(config: ClusterConfig, tmp_path: Path) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    (tmp_path / "known_hosts").write_text(f"[{config.host}]:{config.port} {other}")

    words = await failure(_with(config, known_hosts=tmp_path / "known_hosts"))

    assert "host key" in words
    assert "ssh-keyscan" in words


async def test_a_refused_key_is_told_from_a_wrong_host(config: ClusterConfig, tmp_path: Path) -> None:
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(tmp_path / "key")

    words = await failure(_with(config, private_key=tmp_path / "key"))

    assert "refuses the key key for hpcgw" in words
    assert "authorized_keys" in words


async def test_a_host_that_is_down_is_told(config: ClusterConfig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    assert f":{port} cannot be reached" in await failure(_with(config, port=port))


async def test_a_host_that_says_nothing_is_given_up(config: ClusterConfig) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        silent = _with(config, port=server.getsockname()[1], connect_timeout=0.3)

        assert "did not answer within 0.3 s" in await failure(silent)


@pytest.mark.parametrize("file", ["private_key", "known_hosts"])
async def test_a_missing_file_is_named(config: ClusterConfig, file: str) -> None:
    assert "/nowhere/file cannot be read" in await failure(_with(config, **{file: Path("/nowhere/file")}))


@pytest.mark.parametrize("file", ["private_key", "known_hosts"])
async def test_a_broken_file_is_named(config: ClusterConfig, file: str, tmp_path: Path) -> None:
    (tmp_path / "broken").write_text("@nonsense\n" * 3)

    assert "broken" in await failure(_with(config, **{file: tmp_path / "broken"}))


async def test_a_login_node_without_python_is_told(config: ClusterConfig) -> None:
    cluster = Cluster(_with(config, python="python3.99"))
    try:
        report = await cluster.probe()
    finally:
        await cluster.close()

    assert not report.available
    assert "python3.99" in (report.message or "")


async def test_commands_die_with_their_connection(remote: Remote, rough: SlurmSite) -> None:
    sleeping = asyncio.create_task(remote.run(["sleep", "4321"], seconds=60, again=False))
    await until(lambda: running(rough, "4321"))

    rough.kill_ssh_sessions()

    with pytest.raises(ClusterTimeout):  # it may have done its work
        await sleeping
    await until(lambda: not running(rough, "4321"))
    await until(lambda: not running(rough, "gql-gateway-agent"))


async def test_a_command_that_takes_too_long_is_killed(remote: Remote, rough: SlurmSite) -> None:
    with pytest.raises(ClusterTimeout, match=r"sleep gave no answer within 0\.3 s"):
        await remote.run(["sleep", "4323"], seconds=0.3)

    await until(lambda: not running(rough, "4323"))


async def test_what_can_be_asked_again_survives_a_cut(cluster: Cluster, rough: SlurmSite) -> None:
    async with job_folder(cluster, rough) as job:
        for _ in range(3):
            rough.kill_ssh_sessions()
            assert [entry.name for entry in await cluster.list(job.name, paths.parse_folder(""))] == ["run.sh"]


async def test_a_frozen_peer_is_noticed_and_comes_back(cluster: Cluster, rough: SlurmSite) -> None:
    await cluster.queue()
    rough.freeze("sshd")
    try:
        started = monotonic()
        with pytest.raises(Refused) as refused:
            await cluster.queue()
        assert isinstance(refused.value, ClusterUnavailable | ClusterTimeout)
        assert monotonic() - started < 10
    finally:
        rough.thaw("sshd")

    await recovered(cluster)


async def test_sshd_that_stops_and_starts_is_found_again(cluster: Cluster, rough: SlurmSite) -> None:
    await cluster.queue()
    rough.stop("sshd", sessions=True)
    try:
        with pytest.raises(ClusterUnavailable):
            await cluster.queue()
    finally:
        rough.start("sshd")

    assert await recovered(cluster) < 5


async def test_a_cluster_that_is_down_at_first_is_found_later(config: ClusterConfig, rough: SlurmSite) -> None:
    cluster = Cluster(config)
    rough.stop("sshd", sessions=True)
    try:
        await cluster.start()
        assert not (await cluster.probe()).available
    finally:
        rough.start("sshd")
    try:
        await recovered(cluster)
        assert (await cluster.probe()).available
    finally:
        await cluster.close()


async def test_a_closed_cluster_stays_closed(config: ClusterConfig) -> None:
    cluster = Cluster(config)
    await cluster.queue()
    await cluster.close()

    with pytest.raises(ClusterUnavailable, match="shutting down"):
        await cluster.queue()


async def test_a_follow_goes_on_after_a_cut(cluster: Cluster, rough: SlurmSite) -> None:
    async with job_folder(cluster, rough) as job:
        log = job.write("log", b"one")
        news = cluster.follow(job.name, paths.parse("log"))
        assert await anext(news) == (0, b"one")
        rough.kill_ssh_sessions()
        with log.open("ab") as file:
            file.write(b"two")
        assert await asyncio.wait_for(anext(news), 10) == (3, b"two")
        await news.aclose()


def _with(config: ClusterConfig, **other: object) -> ClusterConfig:
    known = {name: getattr(config, name) for name in ClusterConfig.__slots__}
    return ClusterConfig(**{**known, **other})
