"""Files as they grow on a real login node, and the notices of jobs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from gql_gateway.cluster.cluster import Cluster
from gql_gateway.core import paths
from gql_gateway.core.errors import ErrorCode, Refused
from slurm_site import SlurmSite
from tests.cluster.places import JobFolder, own, running, until

LOG = paths.parse("log")


def grow(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


async def take(news: AsyncIterator[tuple[int, bytes]], size: int) -> bytes:
    """The next bytes, each where the last ended."""
    data, at = b"", None
    async with asyncio.timeout(10):
        while len(data) < size:
            offset, more = await anext(news)
            assert at in {None, offset}
            data, at = data + more, offset + len(more)
    return data


async def test_a_file_is_followed_from_an_offset_as_it_grows(cluster: Cluster, job: JobFolder) -> None:
    log = job.write("log", b"0123456789")

    async with aclosing(cluster.follow(job.name, LOG, 4)) as news:
        assert await take(news, 6) == b"456789"
        grow(log, b"more")
        assert await take(news, 4) == b"more"


async def test_a_file_that_is_not_there_is_waited_for(cluster: Cluster, job: JobFolder) -> None:
    async with aclosing(cluster.follow(job.name, LOG)) as news:
        waiting = asyncio.create_task(take(news, 5))
        await cluster.stat(job.name, paths.parse("run.sh"))
        job.write("log", b"first")
        assert await waiting == b"first"


async def test_what_is_there_at_the_end_still_comes(cluster: Cluster, job: JobFolder) -> None:
    job.write("log", b"x" * 300_000)
    ended = asyncio.Event()
    ended.set()

    parts = [data async for _, data in cluster.follow(job.name, LOG, 0, ended)]

    assert b"".join(parts) == b"x" * 300_000


async def test_a_file_that_never_came_is_told_at_the_end(cluster: Cluster, job: JobFolder) -> None:
    ended = asyncio.Event()
    asyncio.get_running_loop().call_later(0.2, ended.set)

    with pytest.raises(Refused) as refused:
        async for _ in cluster.follow(job.name, LOG, 0, ended):
            pass

    assert refused.value.code is ErrorCode.FILE_NOT_FOUND


async def test_a_file_that_is_cut_or_replaced_begins_again(cluster: Cluster, job: JobFolder) -> None:
    log = job.write("log", b"the first text")

    async with aclosing(cluster.follow(job.name, LOG)) as news:
        await take(news, 14)
        own(log, lambda path: path.write_bytes(b"cut"))
        assert await anext(news) == (0, b"cut")
        job.write("new", b"replaced by this").rename(log)
        assert await anext(news) == (0, b"replaced by this")


async def test_what_is_no_file_is_not_followed(cluster: Cluster, job: JobFolder) -> None:
    own(job.work / "log", lambda path: path.symlink_to("/etc/hostname"))

    with pytest.raises(Refused, match="symbolic link") as refused:
        async for _ in cluster.follow(job.name, LOG):
            pass

    assert refused.value.code is ErrorCode.PATH_NOT_ALLOWED


async def test_many_watch_by_one_follow_each_at_its_own_pace(cluster: Cluster, job: JobFolder) -> None:
    log = job.write("log", b"")
    whole = b"".join(b"%07d\n" % number for number in range(100_000))

    async with aclosing(cluster.follow(job.name, LOG)) as slow:
        first = asyncio.create_task(take(slow, 1))
        watchers = [cluster.follow(job.name, LOG) for _ in range(10)]
        fast = [asyncio.create_task(take(watcher, len(whole))) for watcher in watchers]
        for start in range(0, len(whole), 50_000):
            grow(log, whole[start : start + 50_000])
            await cluster.stat(job.name, LOG)
        assert {await task for task in fast} == {whole}
        assert await first + await take(slow, len(whole) - len(first.result())) == whole
        for watcher in watchers:
            await watcher.aclose()
        assert len(cluster._follows._shared) == 1
    assert not cluster._follows._shared


async def test_notices_come_from_now_on(cluster: Cluster, job: JobFolder, site: SlurmSite) -> None:
    notices = site.rootfs / site.root.strip("/") / ".gateway" / "notices"
    async with aclosing(cluster.notices()) as lines:
        next_line = asyncio.ensure_future(anext(lines))
        await until(lambda: cluster._follows._shared and next(iter(cluster._follows._shared.values()))[0].file)
        with notices.open("a") as file:
            file.write("gw-1 start 7\ngw-1 e")
        assert await asyncio.wait_for(next_line, 5) == "gw-1 start 7"
        with notices.open("a") as file:
            file.write("nd 7\n")
        assert await asyncio.wait_for(anext(lines), 5) == "gw-1 end 7"


async def test_closing_ends_every_follow(cluster: Cluster, job: JobFolder, site: SlurmSite) -> None:
    job.write("log", b"x")
    news = cluster.follow(job.name, LOG)
    await take(news, 1)
    rest = asyncio.ensure_future(anext(news))

    other = Cluster(cluster.config)
    watcher = other.follow(job.name, LOG)
    await take(watcher, 1)
    last = asyncio.ensure_future(anext(watcher))
    await asyncio.sleep(0)
    await other.close()

    with pytest.raises(Refused, match="shutting down"):
        await asyncio.wait_for(last, 5)
    assert not rest.done()
    rest.cancel()
    assert running(site, "gql-gateway-agent")
