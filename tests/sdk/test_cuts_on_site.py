"""A line that breaks in the middle: of a large upload, a download, a watch, an output. Nothing is lost or doubled."""

import hashlib
import random
import tarfile
import threading
import time
from pathlib import Path

import pytest

from gql_gateway.sdk import ConnectionLost, HpcGateway, JobChange, JobState, TransferFailed
from slurm_site import SlurmSite
from tests.sdk.conftest import IMAGE, Remote

MIB = 2**20


def big_file(path: Path, mebibytes: int) -> str:
    """A file in which no two blocks are alike; answers with its SHA-256."""
    chance, digest = random.Random(mebibytes), hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(mebibytes):
            block = chance.randbytes(MIB)
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


@pytest.mark.timeout(180)
def test_an_upload_of_500_mib_survives_a_cut(remote: Remote, site: SlurmSite, tmp_path: Path) -> None:
    source = tmp_path / "big.bin"
    sha256 = big_file(source, 500)
    job = remote.gateway.new_job("upload", IMAGE)
    connections, before = remote.line.connections, remote.line.up
    remote.line.cut_when_sent(250 * MIB)
    sent = job.upload(source, "data/big.bin")
    assert remote.line.connections > connections + 1, "the line was cut"
    assert remote.line.up - before < 530 * MIB, "what had arrived was not sent again"
    assert (sent.size, sent.sha256) == (500 * MIB, sha256)
    path = f"{job.info.folder}/work/data/big.bin"
    assert site.run(["sha256sum", path]).stdout.split()[0] == sha256
    job.delete()


def test_a_file_that_changes_while_it_is_sent_does_not_arrive(remote: Remote, tmp_path: Path) -> None:
    source = tmp_path / "growing.bin"
    big_file(source, 20)
    job = remote.gateway.new_job("growing", IMAGE)

    def grow(_path: str, done: int, _size: int) -> None:
        if done:
            with source.open("ab") as file:
                file.write(b"more")

    with pytest.raises(TransferFailed, match="changed while it was sent"):
        job.upload(source, progress=grow)
    assert [file.path for file in job.files()] == ["run.sh"]
    job.delete()


@pytest.mark.timeout(180)
def test_a_download_continues_after_cuts(remote: Remote, tmp_path: Path) -> None:
    source, target = tmp_path / "source.bin", tmp_path / "target.bin"
    sha256 = big_file(source, 120)
    job = remote.gateway.new_job("download", IMAGE)
    job.upload(source)
    received = remote.line.down
    remote.line.cut_when_received(50 * MIB)
    steps: list[int] = []
    fetched = job.download("source.bin", target, lambda _path, done, _size: steps.append(done))
    assert fetched.sha256 == sha256
    assert hashlib.sha256(target.read_bytes()).hexdigest() == sha256
    assert remote.line.down - received < 150 * MIB, "what had arrived was not sent again"
    assert steps == sorted(steps)
    job.delete()


def test_an_archive_begins_again_after_a_cut(remote: Remote, tmp_path: Path) -> None:
    source, target = tmp_path / "source.bin", tmp_path / "all.tar"
    big_file(source, 30)
    job = remote.gateway.new_job("archive", IMAGE)
    job.upload(source)
    connections = remote.line.connections
    remote.line.cut_when_received(10 * MIB)
    steps: list[int] = []
    packed = job.download_archive(target, progress=lambda _name, done, _size: steps.append(done))
    assert remote.line.connections > connections + 1, "the line was cut"
    assert steps.count(0) == 2
    assert packed.files == 2
    with tarfile.open(target) as tar:
        content = tar.extractfile("archive/source.bin")
        assert content
        assert content.read() == source.read_bytes()
    assert {path.name for path in tmp_path.iterdir()} == {"source.bin", "all.tar"}
    job.delete()


def test_a_download_begins_again_where_the_file_is_another(remote: Remote, site: SlurmSite, tmp_path: Path) -> None:
    source, target = tmp_path / "source.bin", tmp_path / "target.bin"
    big_file(source, 40)
    job = remote.gateway.new_job("another", IMAGE)
    job.upload(source)
    path = f"{job.info.folder}/work/source.bin"
    sizes: list[int] = []
    once = iter([True])

    def replace(_path: str, done: int, size: int) -> None:
        sizes.append(size)
        if done and next(once, False):
            remote.line.cut()
            site.run(["sh", "-c", "printf another >$1.new && mv $1.new $1", "sh", path])

    fetched = job.download("source.bin", target, replace)
    assert (fetched.size, target.read_bytes()) == (7, b"another")
    assert sizes[-1] == 7
    job.delete()


def test_a_watch_sees_every_change_once(remote: Remote) -> None:
    job = remote.gateway.new_job("watched", IMAGE, "sleep 3")
    seen: list[JobChange] = []
    started = threading.Event()

    def watch() -> None:
        for change in job.watch():
            seen.append(change)
            started.set()
            remote.line.cut()

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert started.wait(30)
    launched = remote.gateway.job(job.id)
    launched.launch()
    watcher.join(60)
    history = [(change.cursor, change.state) for change in launched.history()]
    assert [(change.cursor, change.state) for change in seen] == history
    assert history[-1][1] is JobState.COMPLETED


def test_an_output_has_every_byte_once(remote: Remote) -> None:
    lines = "".join(f"{number} ü\n" for number in range(40))
    job = remote.gateway.new_job("written", IMAGE, "for i in $(seq 0 39); do echo $i ü; sleep 0.05; done")
    job.launch()
    text = ""
    for number, piece in enumerate(job.output()):
        text += piece
        if number % 3 == 0:
            remote.line.cut()
    assert text == lines


def test_patience_has_an_end() -> None:
    with HpcGateway("http://127.0.0.1:9", "token", patience=1) as away, pytest.raises(ConnectionLost, match=":9"):
        next(iter(away.watch()))


def test_a_slow_reader_slows_the_gateway_and_fills_no_memory(remote: Remote) -> None:
    size = 60 * MIB
    job = remote.gateway.new_job("much", IMAGE, f"yes 0123456789 | head -c {size}")
    job.launch()
    job.wait(60)
    received = remote.line.down
    pieces = job.follow()
    read = len(next(pieces).text)
    before = -1
    while remote.line.down != before:  # until nothing more comes, because nothing more is taken
        before = remote.line.down
        time.sleep(0.5)
    assert before - received < size / 2
    assert read + sum(len(piece.text) for piece in pieces) == size
