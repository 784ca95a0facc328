"""Files on a real login node: what is shown, what is refused and why, and what a job that fights back can reach."""

import asyncio
import os
import socket
import sys
from hashlib import sha256
from pathlib import Path
from time import monotonic

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gql_gateway.cluster.cluster import Cluster
from gql_gateway.cluster.files import FileKind
from gql_gateway.core import paths
from gql_gateway.core.errors import ClusterUnavailable, ErrorCode, Refused
from slurm_site import SlurmSite
from tests.cluster.places import ACCOUNT, SCRIPT, JobFolder, config_of, download, own, upload

TOP = paths.parse_folder("")


async def test_a_job_shows_its_work_with_the_protected_files_among_it(cluster: Cluster, job: JobFolder) -> None:
    job.write("input.txt", b"12345")
    job.write("run.sh", b"not the job's own")
    (job.path / "slurm-7.out").write_bytes(b"out")
    (job.path / "end").write_text("7 0 1\n")

    found = {entry.path: entry for entry in await cluster.list(job.name, TOP)}

    assert list(found) == ["input.txt", "run.sh", "slurm-7.out"]
    assert [entry.protected for entry in found.values()] == [False, True, True]
    assert (found["input.txt"].size, found["input.txt"].user) == (5, "hpcgw")
    assert (found["run.sh"].size, found["run.sh"].mode) == (len(SCRIPT), 0o444)


async def test_every_kind_of_entry_is_told_for_what_it_is(cluster: Cluster, job: JobFolder) -> None:
    job.write("file", b"")
    own(job.work / "folder", Path.mkdir)
    own(job.work / "link", lambda path: path.symlink_to("/etc/passwd"))
    own(job.work / "fifo", os.mkfifo)

    found = await cluster.list(job.name, TOP)

    assert {entry.name: entry.kind for entry in found if not entry.protected} == {
        "file": FileKind.FILE,
        "folder": FileKind.DIRECTORY,
        "link": FileKind.SYMLINK,
        "fifo": FileKind.OTHER,
    }
    assert (await cluster.stat(job.name, paths.parse("link"))).link_target == "/etc/passwd"


async def test_a_subfolder_is_listed_with_whole_paths(cluster: Cluster, job: JobFolder) -> None:
    await upload(cluster, job.name, "a/b/ü ñ.txt", b"x")

    assert [entry.path for entry in await cluster.list(job.name, paths.parse("a/b"))] == ["a/b/ü ñ.txt"]


async def test_a_name_that_is_no_text_is_shown_and_harms_nothing(cluster: Cluster, job: JobFolder) -> None:
    job.write(os.fsdecode(b"bad-\xff-name"), b"")
    job.write("line\nbreak", b"")

    assert [entry.name for entry in await cluster.list(job.name, TOP)] == ["bad-\ufffd-name", "line\nbreak", "run.sh"]


def _bind(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        here = os.open(path.parent, os.O_PATH)
        made.bind(f"/proc/self/fd/{here}/{path.name}")  # a socket's path is of at most 107 bytes
        os.close(here)


def acceptable(name: str) -> bool:
    try:
        return len(paths.parse_writable(name).parts) == 1
    except Refused:
        return False


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=120).filter(acceptable))
async def test_every_name_that_may_be_written_comes_back_as_it_was(cluster: Cluster, job: JobFolder, name: str) -> None:
    await upload(cluster, job.name, name, name.encode())

    assert await download(cluster, job.name, name) == name.encode()
    assert name in {entry.path for entry in await cluster.list(job.name, TOP)}
    await cluster.delete(job.name, paths.parse(name))
    assert [entry.name for entry in await cluster.list(job.name, TOP)] == ["run.sh"]


ODD = {
    "link": lambda path: path.symlink_to("secret"),
    "outward": lambda path: path.symlink_to("/etc/hostname"),
    "fifo": os.mkfifo,
    "folder": Path.mkdir,
    "socket": _bind,
    "twin": lambda path: os.link(path.parent / "secret", path),
}


@pytest.mark.parametrize("kind", ODD)
async def test_only_plain_files_are_read(cluster: Cluster, job: JobFolder, kind: str) -> None:
    job.write("secret", b"secret")
    own(job.work / kind, ODD[kind])

    started = monotonic()
    with pytest.raises(Refused) as refused:
        await download(cluster, job.name, kind)

    assert refused.value.code is ErrorCode.PATH_NOT_ALLOWED
    assert monotonic() - started < 2
    assert f"'{kind}' is a" in str(refused.value)


async def test_a_link_on_the_way_is_never_followed(cluster: Cluster, job: JobFolder) -> None:
    own(job.work / "etc", lambda path: path.symlink_to("/etc"))

    for attempt in (
        cluster.stat(job.name, paths.parse("etc/hostname")),
        cluster.list(job.name, paths.parse("etc")),
        cluster.delete(job.name, paths.parse("etc/hostname")),
        download(cluster, job.name, "etc/hostname"),
        upload(cluster, job.name, "etc/new", b"x"),
    ):
        with pytest.raises(Refused, match="'etc' is a symbolic link") as refused:
            await attempt
        assert refused.value.code is ErrorCode.PATH_NOT_ALLOWED


async def test_what_is_not_there_is_not_found(cluster: Cluster, job: JobFolder) -> None:
    job.write("file", b"")
    for path in ("none", "no/where", "file/below"):
        for attempt in (
            cluster.stat(job.name, paths.parse(path)),
            cluster.delete(job.name, paths.parse(path)),
            download(cluster, job.name, path),
        ):
            with pytest.raises(Refused) as refused:
                await attempt
            assert refused.value.code is ErrorCode.FILE_NOT_FOUND


async def test_a_deleted_link_leaves_what_it_points_to(cluster: Cluster, job: JobFolder) -> None:
    target = job.write("target", b"kept")
    own(job.work / "link", lambda path: path.symlink_to("target"))

    await cluster.delete(job.name, paths.parse("link"))

    assert target.read_bytes() == b"kept"
    assert [entry.name for entry in await cluster.list(job.name, TOP)] == ["run.sh", "target"]


async def test_a_folder_goes_with_all_it_holds_however_deep_and_locked(cluster: Cluster, job: JobFolder) -> None:
    deepest = own(job.work / "deep", Path.mkdir)
    here = os.open(deepest, os.O_RDONLY)
    for _ in range(1100):  # more than there are descriptors to open
        os.mkdir("d", dir_fd=here)
        os.chown("d", ACCOUNT, ACCOUNT, dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(os.open("f", os.O_WRONLY | os.O_CREAT, dir_fd=below))
        os.close(here)
        here = below
    os.close(here)
    own(deepest / "locked", Path.mkdir).chmod(0)
    deepest.chmod(0)

    await cluster.delete(job.name, paths.parse("deep"))

    assert list(job.work.iterdir()) == []
    assert list(job.incoming.iterdir()) == []


async def test_what_dead_transfers_left_is_swept_after_a_day(cluster: Cluster, job: JobFolder) -> None:
    old = own(job.incoming / "upload-old", lambda path: path.write_bytes(b"x"))
    os.utime(old, (1, 1))
    fresh = own(job.incoming / "upload-fresh", lambda path: path.write_bytes(b"x"))

    await upload(cluster, job.name, "f", b"x")

    assert list(job.incoming.iterdir()) == [fresh]


async def test_a_folder_is_kept_where_only_a_file_is_meant(cluster: Cluster, job: JobFolder) -> None:
    own(job.work / "folder", Path.mkdir)

    with pytest.raises(Refused, match="'folder' is a folder"):
        await cluster.delete(job.name, paths.parse("folder"), recursive=False)


async def test_a_prepared_job_is_sealed_and_may_be_prepared_again(cluster: Cluster, job: JobFolder) -> None:
    before = (job.path / "run.sh").stat()

    await cluster.prepare_job(job.name, SCRIPT)
    with pytest.raises(Refused, match=r"another run\.sh"):
        await cluster.prepare_job(job.name, SCRIPT + "echo more\n")

    after = (job.path / "run.sh").stat()
    assert (after.st_ino, after.st_mode & 0o777) == (before.st_ino, 0o444)
    assert {entry.stat().st_mode & 0o777 for entry in (job.path, job.work, job.incoming)} == {0o700}


async def test_a_changed_script_shows(cluster: Cluster, job: JobFolder) -> None:
    sealed = sha256(SCRIPT.encode()).hexdigest()
    assert await cluster.script_intact(job.name, sealed)

    (job.path / "run.sh").write_text("#!/bin/sh\nevil\n")
    assert not await cluster.script_intact(job.name, sealed)
    (job.path / "run.sh").unlink()
    assert not await cluster.script_intact(job.name, sealed)


async def test_a_removed_job_is_gone_and_may_be_removed_again(cluster: Cluster, job: JobFolder) -> None:
    await upload(cluster, job.name, "a/b/c", b"x")

    await cluster.remove_job(job.name)
    await cluster.remove_job(job.name)

    assert not job.path.exists()
    with pytest.raises(Refused) as refused:
        await upload(cluster, job.name, "late", b"x")
    assert refused.value.code is ErrorCode.FILE_NOT_FOUND
    assert not job.path.exists()


@pytest.mark.parametrize(("text", "signals"), [("12 143 1700000060 1\n", 1), ("12 143 1700000060\n", None)])
async def test_end_records_are_read_for_many_jobs_at_once(
    cluster: Cluster, job: JobFolder, text: str, signals: int | None
) -> None:
    (job.path / "started").write_text("12 1700000000\n")
    (job.path / "end").write_text(text)

    records = await cluster.end_records([job.name, "tests/none", "nobody/none"])

    assert list(records) == [job.name]
    record = records[job.name]
    assert (record.slurm_job_id, record.exit_code, record.signals) == ("12", 143, signals)
    assert record.started_at is not None
    assert (record.ended_at - record.started_at).total_seconds() == 60


@pytest.mark.parametrize("text", ["", "12", "12 x 1\n", "12 0\n", "12 0 1 x\n", "nonsense\0\xff" * 100])
async def test_a_broken_end_record_is_none(cluster: Cluster, job: JobFolder, text: str) -> None:
    (job.path / "end").write_text(text)

    assert await cluster.end_records([job.name]) == {}


async def test_inputs_are_copied_from_job_to_job(cluster: Cluster, job: JobFolder, site: SlurmSite) -> None:
    await upload(cluster, job.name, "a/b", b"x" * 3_000_000)
    own(job.work / "link", lambda path: path.symlink_to("/etc/hostname"))
    target = f"{job.name}c"
    await cluster.prepare_job(target, SCRIPT)
    try:
        assert await cluster.copy_inputs(job.name, target, ["a/b", "gone", "link"], limit=2**30) == ["a/b"]
        assert await download(cluster, target, "a/b") == b"x" * 3_000_000
    finally:
        await cluster.remove_job(target)


@pytest.mark.parametrize(("root", "words"), [("/nowhere", "cannot be opened"), ("/scratch", "does not belong")])
async def test_a_wrong_root_is_told(site: SlurmSite, root: str, words: str) -> None:
    cluster = Cluster(config_of(site, root=root))
    try:
        with pytest.raises(ClusterUnavailable, match=words):
            await cluster.make_user_folder("tests")
    finally:
        await cluster.close()


# Exchanges two names as fast as the kernel does, as code in a container could: renameat2 with RENAME_EXCHANGE.
SWAPPER = """
import ctypes, sys
libc = ctypes.CDLL(None, use_errno=True)
one, two = (name.encode() for name in sys.argv[1:])
print(flush=True)
while libc.renameat2(-100, one, -100, two, 2) == 0:
    pass
"""


async def test_a_job_that_swaps_folders_for_links_leaks_nothing(cluster: Cluster, job: JobFolder) -> None:
    outside = own(job.path / "outside", Path.mkdir)
    own(outside / "f", lambda path: path.write_bytes(b"SECRET"))
    own(job.work / "d", Path.mkdir)
    job.write("d/f", b"mine")
    own(job.work / "x", lambda path: path.symlink_to("../outside"))
    told: dict[object, int] = {}

    swapper = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SWAPPER, job.work / "d", job.work / "x", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert swapper.stdout
        await swapper.stdout.readline()
        for number in range(200):
            for attempt in (download(cluster, job.name, "d/f"), upload(cluster, job.name, f"d/{number}", b"new")):
                try:
                    outcome: object = await attempt
                except Refused as refused:
                    outcome = refused.code
                told[outcome] = told.get(outcome, 0) + 1
    finally:
        swapper.kill()
        await swapper.wait()

    assert told.keys() <= {b"mine", 3, ErrorCode.PATH_NOT_ALLOWED, ErrorCode.FILE_NOT_FOUND}, told
    assert told[b"mine"] > 10  # the race was on: some came through,
    assert told[ErrorCode.PATH_NOT_ALLOWED] > 10  # and some met the link
    assert [path.name for path in outside.iterdir()] == ["f"]
