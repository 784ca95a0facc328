"""A folder as one tar file: it is whole, wherever it was cut on the way."""

import asyncio
import io
import tarfile
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gql_gateway.sdk.archive import Archiver, Tar
from gql_gateway.sdk.bulk import Bulk
from gql_gateway.sdk.errors import ConnectionLost, TransferFailed
from gql_gateway.sdk.folders import whole_file
from tests.sdk.test_bulk import Answers, bulk

__all__ = ["bulk"]
FILES = {"job/in.txt": b"content", "job/empty": b"", f"job/{'n' * 300}": b"x" * 512, "job/zeros": bytes(9000)}
AGENTS_END = 2 * tarfile.BLOCKSIZE


def packed() -> bytes:
    """A tar like the agent's: GNU's form, long names, and two empty blocks at its end."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        folder = tarfile.TarInfo("job")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, content in FILES.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        end = tar.offset
    return buffer.getvalue()[: end + AGENTS_END]


PACKED = packed()


def taken(pieces: Iterable[bytes]) -> Tar:
    tar = Tar()
    for piece in pieces:
        tar.take(piece)
    return tar


@given(st.lists(st.integers(0, len(PACKED))))
def test_in_whatever_pieces_it_comes(cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(PACKED)]
    tar = taken(PACKED[begin:end] for begin, end in pairwise(places))
    assert (tar.is_whole, tar.files, tar.size) == (True, len(FILES), len(PACKED))


@given(st.integers(0, len(PACKED) - 1))
def test_a_part_of_it_is_not_whole(size: int) -> None:
    assert not taken([PACKED[:size]]).is_whole


def test_a_file_beyond_what_octal_digits_hold() -> None:
    entry = tarfile.TarInfo("job/large")
    entry.size = 2**40
    tar = taken([entry.tobuf(tarfile.GNU_FORMAT), bytes(4096)])
    assert not tar.is_whole, "empty blocks in a file are no end"


def test_something_else_is_no_archive() -> None:
    with pytest.raises(TransferFailed, match="no tar file"):
        taken([b"<html>" * 200])


async def test_after_a_cut_that_looks_like_an_end_it_begins_again(bulk: Bulk, tmp_path: Path) -> None:
    head = b"HTTP/1.0 200 OK\r\nContent-Type: application/x-tar\r\n\r\n"
    server = Answers(b"")
    cut_in_zeros = PACKED[: -AGENTS_END - tarfile.BLOCKSIZE]
    assert cut_in_zeros.endswith(bytes(AGENTS_END))
    answers = iter([cut_in_zeros, PACKED[:700], PACKED])

    async def locate() -> str:
        server.answer = head + next(answers)
        return server.url

    seen: list[int] = []
    async with whole_file(tmp_path / "job.tar") as file:
        tar = await Archiver(bulk, 30).fetch(locate, file, seen.append)
    assert (tar.files, seen[-1], len(server.heard)) == (len(FILES), len(PACKED), 3)
    assert (tmp_path / "job.tar").read_bytes() == PACKED


def test_one_that_is_always_cut_is_not_left(bulk: Bulk, tmp_path: Path) -> None:
    server = Answers(b"HTTP/1.0 200 OK\r\n\r\n" + PACKED[:-1])

    async def locate() -> str:
        return server.url

    async def fetch() -> None:
        async with whole_file(tmp_path / "job.tar") as file:
            await Archiver(bulk, 0.5).fetch(locate, file, lambda _size: None)

    with pytest.raises(ConnectionLost, match="cut before its end"):
        asyncio.run(fetch())
    assert len(server.heard) > 1
    assert not list(tmp_path.iterdir())
