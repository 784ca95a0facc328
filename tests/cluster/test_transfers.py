"""Bytes in and out on a real login node: whole or not at all, in parts, cut off, without room, without much memory."""

import asyncio
import gc
import os
import resource
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from hashlib import sha256
from pathlib import Path

import pytest

from gql_gateway.cluster.cluster import Cluster
from gql_gateway.cluster.transfers import SMALL
from gql_gateway.core import paths
from gql_gateway.core.errors import ClusterUnavailable, ErrorCode, Refused
from slurm_site import SiteOptions, SlurmSite
from tests.cluster.places import JobFolder, config_of, download, job_folder, own, stream, until, upload

MIB = 2**20


@pytest.fixture(scope="module")
def narrow_site() -> Iterator[SlurmSite]:
    """A site with little room, whose connections may be cut."""
    with SlurmSite(SiteOptions(scratch_size="24M", accounting=False)) as booted:
        yield booted


@pytest.mark.parametrize("size", [0, 1, SMALL, SMALL + 1, 3 * MIB + 7])
async def test_what_goes_in_comes_out(cluster: Cluster, job: JobFolder, size: int) -> None:
    data = os.urandom(size)
    pieces = [data[start : start + 100_000] for start in range(0, size, 100_000)]

    assert await upload(cluster, job.name, "a/b c", *pieces) == size

    assert await download(cluster, job.name, "a/b c") == data
    assert (job.work / "a" / "b c").stat().st_mode & 0o777 == 0o600
    assert list(job.incoming.iterdir()) == []


@pytest.mark.parametrize(("offset", "length"), [(0, 10), (5, None), (3 * MIB, None), (100, MIB), (2 * MIB, 9 * MIB)])
async def test_a_range_is_what_was_asked_for(cluster: Cluster, job: JobFolder, offset: int, length: int | None) -> None:
    data = os.urandom(3 * MIB)
    job.write("f", data)

    got = await download(cluster, job.name, "f", offset, length)

    assert got == data[offset:][:length]


async def test_a_file_is_replaced_whatever_stood_there_but_a_folder(cluster: Cluster, job: JobFolder) -> None:
    job.write("file", b"old")
    own(job.work / "link", lambda path: path.symlink_to("/etc/hostname"))
    own(job.work / "fifo", os.mkfifo)
    own(job.work / "folder", Path.mkdir)

    for name in ("file", "link", "fifo"):
        await upload(cluster, job.name, name, b"new")
        assert not (job.work / name).is_symlink()
        assert await download(cluster, job.name, name) == b"new"
    for size in (3, MIB):
        with pytest.raises(Refused, match="'folder' is a folder") as refused:
            await upload(cluster, job.name, "folder", b"x" * size)
        assert refused.value.code is ErrorCode.FILE_EXISTS


async def test_a_file_in_the_place_of_a_folder_is_told(cluster: Cluster, job: JobFolder) -> None:
    job.write("file", b"old")

    with pytest.raises(Refused, match="'file' is a file") as refused:
        await upload(cluster, job.name, "file/below", b"new")

    assert refused.value.code is ErrorCode.FILE_EXISTS


@pytest.mark.parametrize("size", [3, MIB])
async def test_without_overwrite_the_first_file_stays(cluster: Cluster, job: JobFolder, size: int) -> None:
    path = paths.parse("once")
    await cluster.upload(job.name, path, stream(b"first"), overwrite=False)

    with pytest.raises(Refused) as refused:
        await cluster.upload(job.name, path, stream(b"x" * size), overwrite=False)

    assert refused.value.code is ErrorCode.FILE_EXISTS
    assert await download(cluster, job.name, "once") == b"first"
    assert list(job.incoming.iterdir()) == []


@pytest.mark.parametrize("limit", [1000, 2 * MIB])
async def test_the_limit_counts_bytes_not_claims(cluster: Cluster, job: JobFolder, limit: int) -> None:
    whole = b"x" * limit
    await upload(cluster, job.name, "fits", whole, limit=limit)

    with pytest.raises(Refused, match=str(limit)) as refused:
        await upload(cluster, job.name, "large", whole, b"x", limit=limit)

    assert refused.value.code is ErrorCode.FILE_TOO_LARGE
    assert not (job.work / "large").exists()
    await until(lambda: list(job.incoming.iterdir()) == [])


async def test_a_client_that_goes_away_leaves_nothing(cluster: Cluster, job: JobFolder) -> None:
    async def breaks_off() -> AsyncIterator[bytes]:
        yield b"x" * 2 * MIB
        await until(lambda: any(job.incoming.iterdir()))  # the upload is really under way
        raise RuntimeError("gone")

    with pytest.raises(RuntimeError, match="gone"):
        await cluster.upload(job.name, paths.parse("f"), breaks_off())

    await until(lambda: list(job.incoming.iterdir()) == [])
    assert not (job.work / "f").exists()


async def test_a_download_that_is_left_frees_its_channel(cluster: Cluster, job: JobFolder) -> None:
    job.write("f", b"x" * 20 * MIB)

    for _ in range(3 * cluster.config.channels):
        async with cluster.download(job.name, paths.parse("f")) as opened, aclosing(opened.chunks) as chunks:
            assert await anext(chunks)


async def test_more_transfers_than_channels_wait_their_turn(cluster: Cluster, job: JobFolder) -> None:
    data = os.urandom(MIB)
    names = [f"f{number}" for number in range(25)]

    await asyncio.gather(*(upload(cluster, job.name, name, data) for name in names))
    back = await asyncio.gather(*(download(cluster, job.name, name) for name in names))

    assert set(back) == {data}


async def test_a_file_that_shrinks_under_a_download_is_an_error(cluster: Cluster, job: JobFolder) -> None:
    target = job.write("f", b"x" * 40 * MIB)

    async with cluster.download(job.name, paths.parse("f")) as opened:
        os.truncate(target, 0)
        with pytest.raises(ClusterUnavailable, match="shorter"):
            [chunk async for chunk in opened.chunks]


async def test_large_files_need_little_memory(cluster: Cluster, job: JobFolder) -> None:
    piece = os.urandom(MIB)
    await upload(cluster, job.name, "warm", piece)
    await download(cluster, job.name, "warm")
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    await upload(cluster, job.name, "f", *([piece] * 200))
    back, sent = sha256(), sha256()
    async with cluster.download(job.name, paths.parse("f")) as opened:
        async for chunk in opened.chunks:
            back.update(chunk)
    for _ in range(200):
        sent.update(piece)

    assert back.digest() == sent.digest()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024  # KiB


async def test_a_full_file_system_is_a_limit_and_leaves_nothing(narrow_site: SlurmSite) -> None:
    cluster = Cluster(config_of(narrow_site))
    try:
        async with job_folder(cluster, narrow_site) as job:
            with pytest.raises(Refused, match="no room") as refused:
                await upload(cluster, job.name, "f", *([b"x" * MIB] * 64))
            assert refused.value.code is ErrorCode.LIMIT_EXCEEDED
            assert list(job.incoming.iterdir()) == []
            await upload(cluster, job.name, "g", b"x" * MIB)
    finally:
        await cluster.close()


async def test_a_connection_cut_in_an_upload_leaves_nothing(narrow_site: SlurmSite) -> None:
    cluster = Cluster(config_of(narrow_site))

    async def cut_in_the_middle() -> AsyncIterator[bytes]:
        yield b"x" * 2 * MIB
        await until(lambda: any(job.incoming.iterdir()))
        narrow_site.kill_ssh_sessions()
        for _ in range(12):
            yield b"x" * MIB

    try:
        async with job_folder(cluster, narrow_site) as job:
            with pytest.raises(ClusterUnavailable, match="connection to the cluster was lost"):
                await cluster.upload(job.name, paths.parse("f"), cut_in_the_middle())
            await until(lambda: list(job.incoming.iterdir()) == [])
            assert not (job.work / "f").exists()
            await upload(cluster, job.name, "f", b"x" * 2 * MIB)
    finally:
        await cluster.close()
