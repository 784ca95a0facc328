"""A job's folder as the test sees it from outside, and small helpers around it."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from gql_gateway.cluster.cluster import Cluster
from gql_gateway.cluster.config import ClusterConfig
from gql_gateway.core import paths
from gql_gateway.core.errors import Refused
from gql_gateway.core.ids import new_id
from slurm_site import SlurmSite

SCRIPT = "#!/bin/sh\nexit 0\n"
ACCOUNT = 1500


def config_of(site: SlurmSite, **other: object) -> ClusterConfig:
    """How a gateway would be configured for a site."""
    keys: dict[str, object] = {
        "name": "test",
        "host": site.host,
        "port": site.port,
        "username": site.username,
        "private_key": site.private_key,
        "known_hosts": site.known_hosts,
        "root": site.root,
        "image_allow": ("/opt/img/*.sif",),
    }
    return ClusterConfig(**{**keys, **other})  # type: ignore[arg-type]  # keys are checked by the class itself


@dataclass(frozen=True)
class JobFolder:
    """A job's folder: its `name` for the gateway, its `path` for the test, which is root and outside."""

    job_id: str
    name: str
    path: Path

    @property
    def work(self) -> Path:
        return self.path / "work"

    @property
    def incoming(self) -> Path:
        return self.path / "incoming"

    def write(self, path: str, data: bytes) -> Path:
        """A file of the account's in work/."""
        return own(self.work / path, lambda target: target.write_bytes(data))


def own(path: Path, make: Callable[[Path], object]) -> Path:
    """Make something and give it to the account."""
    make(path)
    os.chown(path, ACCOUNT, ACCOUNT, follow_symlinks=False)
    return path


@asynccontextmanager
async def job_folder(cluster: Cluster, site: SlurmSite) -> AsyncIterator[JobFolder]:
    job_id = new_id()
    name = f"tests/{job_id}"
    await cluster.prepare_job(name, SCRIPT)
    try:
        yield JobFolder(job_id, name, site.rootfs / site.root.strip("/") / name)
    finally:
        await cluster.remove_job(name)


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def download(cluster: Cluster, folder: str, path: str, offset: int = 0, length: int | None = None) -> bytes:
    async with cluster.download(folder, paths.parse(path), offset, length) as opened:
        data = b"".join([chunk async for chunk in opened.chunks])
        assert len(data) == opened.size
        return data


async def upload(cluster: Cluster, folder: str, path: str, *chunks: bytes, limit: int | None = None) -> int:
    return (await cluster.upload(folder, paths.parse(path), stream(*chunks), limit=limit)).size


async def until(true: Callable[[], object], seconds: float = 10) -> None:
    """Wait for a level."""
    end = monotonic() + seconds
    while not true():
        assert monotonic() < end, "waited in vain"
        await asyncio.sleep(0.02)


async def recovered(cluster: Cluster, seconds: float = 20) -> float:
    """Ask until the cluster answers; how long that took."""
    started = monotonic()
    while True:
        try:
            await cluster.end_records([])
        except Refused:
            assert monotonic() - started < seconds, "it did not recover"
            await asyncio.sleep(0.05)
        else:
            return monotonic() - started


def running(site: SlurmSite, word: str) -> list[int]:
    """Processes on the site whose command line holds a word."""
    found = []
    for path in (site.rootfs / "proc").glob("[0-9]*/cmdline"):
        try:
            if word in path.read_text(errors="replace"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found
