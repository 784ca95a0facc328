"""Folders as one stream: whole or broken off, bounded, and nothing of what lies outside, whatever the job does."""

import asyncio
import io
import os
import sys
import tarfile
from pathlib import Path

import pytest

from gql_gateway.cluster.cluster import Cluster
from gql_gateway.core.errors import ClusterUnavailable, Refused
from gql_gateway.core.paths import parse_folder
from slurm_site import SlurmSite
from tests.cluster.places import JobFolder, own
from tests.cluster.test_files import SWAPPER

pytestmark = pytest.mark.anyio
MIB = 2**20


async def packed(cluster: Cluster, job: JobFolder, path: str = "") -> bytes:
    async with cluster.archive(job.name, parse_folder(path), name="job") as chunks:
        return b"".join([chunk async for chunk in chunks])


def names(data: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return sorted(archive.getnames())


async def test_names_of_all_kinds_and_sizes(cluster: Cluster, job: JobFolder) -> None:
    contents = {"plain": b"x", "n" * 255: b"long", "é\n'": b"", "-dash": b"a" * 512, "large": os.urandom(MIB + 1)}
    for name, data in contents.items():
        job.write(name, data)
    own(job.work / os.fsdecode(b"\xff"), lambda path: path.write_bytes(b"no text"))
    with tarfile.open(fileobj=io.BytesIO(await packed(cluster, job)), encoding="utf-8") as archive:
        found = {each.name: archive.extractfile(each) for each in archive if each.isreg()}
        read = {name: file.read() for name, file in found.items() if file}
    assert read == {f"job/{name}": data for name, data in contents.items()} | {"job/\udcff": b"no text"}


async def test_what_is_no_file_is_left_out(cluster: Cluster, job: JobFolder) -> None:
    job.write("file", b"x")
    own(job.work / "link", lambda path: path.symlink_to("/etc/passwd"))
    own(job.work / "loop", lambda path: path.symlink_to("."))
    own(job.work / "fifo", os.mkfifo)
    own(job.work / "twice", lambda path: path.hardlink_to(job.work / "file"))
    own(job.work / "shut", lambda path: path.mkdir(mode=0))
    own(job.work / "unreadable", lambda path: path.touch(mode=0))
    assert names(await packed(cluster, job)) == ["job"]


async def test_sparse_files_have_their_size(cluster: Cluster, job: JobFolder) -> None:
    with job.write("sparse", b"").open("r+b") as file:
        file.truncate(3 * MIB)
    with tarfile.open(fileobj=io.BytesIO(await packed(cluster, job))) as archive:
        assert archive.getmember("job/sparse").size == 3 * MIB


async def test_a_deep_tree_ends_where_no_path_leads(cluster: Cluster, job: JobFolder) -> None:
    path = job.work
    for _ in range(100):
        path = path / "d"
        own(path, Path.mkdir)
    deepest = max(names(await packed(cluster, job)), key=len)
    assert deepest.count("/") == 64


async def test_a_file_that_shrinks_breaks_it_off(cluster: Cluster, job: JobFolder) -> None:
    large = job.write("large", b"x" * 32 * MIB)

    async def read_on() -> None:
        async with cluster.archive(job.name, parse_folder(""), name="job") as chunks:
            async for _ in chunks:
                os.truncate(large, 10)

    with pytest.raises(ClusterUnavailable, match="shorter"):
        await read_on()


async def test_whoever_stops_reading_holds_nothing_up(cluster: Cluster, job: JobFolder) -> None:
    job.write("large", b"x" * 32 * MIB)
    for _ in range(3):
        async with cluster.archive(job.name, parse_folder(""), name="job") as chunks:
            await anext(aiter(chunks))
    assert names(await packed(cluster, job)) == ["job", "job/large"]


@pytest.mark.parametrize("path", ["absent", "file", "link"])
async def test_only_folders_are_packed(cluster: Cluster, job: JobFolder, path: str) -> None:
    job.write("file", b"x")
    own(job.work / "link", lambda link: link.symlink_to("/etc"))
    with pytest.raises(Refused, match=path):
        await packed(cluster, job, path)


async def test_a_job_that_swaps_a_folder_for_a_link_leaks_nothing(
    cluster: Cluster, job: JobFolder, site: SlurmSite
) -> None:
    secret = own(job.path / "secret", Path.mkdir)
    own(secret / "file", lambda path: path.write_bytes(b"SECRET"))
    own(job.work / "folder", Path.mkdir)
    job.write("folder/file", b"good")
    own(job.work / "link", lambda path: path.symlink_to("../secret"))
    swapping = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SWAPPER, job.work / "folder", job.work / "link", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert swapping.stdout
        await swapping.stdout.readline()
        seen = [await packed(cluster, job) for _ in range(40)]
    finally:
        swapping.kill()
        await swapping.wait()
    assert not any(b"SECRET" in data for data in seen)
    assert any(b"good" in data for data in seen)
