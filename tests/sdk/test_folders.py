"""Local folders: what is sent, where what comes back is put, and several things at once."""

import asyncio
from pathlib import Path

import pytest

from gql_gateway.sdk.errors import PathNotAllowed
from gql_gateway.sdk.folders import local_path, regular_files, together, whole_file


def test_files_below_a_folder(tmp_path: Path) -> None:
    (tmp_path / "b" / "c").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    for name in ("z.txt", "b/c/deep", ".hidden"):
        (tmp_path / name).write_text(name)
    (tmp_path / "link.txt").symlink_to("z.txt")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "broken").symlink_to("nowhere")
    assert [path for _, path in regular_files(tmp_path)] == [".hidden", "b/c/deep", "link.txt", "z.txt"]


@pytest.mark.parametrize("path", ["", ".", "..", "../x", "a/../../x", "/etc/passwd", "a//b", "a/", "nul\0"])
def test_no_name_leads_out_of_the_target(path: str, tmp_path: Path) -> None:
    with pytest.raises(PathNotAllowed):
        local_path(tmp_path, path)


def test_a_path_below_the_target(tmp_path: Path) -> None:
    assert local_path(tmp_path, "a/b..c/ d.txt") == tmp_path / "a" / "b..c" / " d.txt"


async def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file.txt"
    async with whole_file(target) as file:
        file.write(b"first")
        assert not target.exists()
    assert target.read_bytes() == b"first"
    with pytest.raises(ValueError, match="cut"):
        await cut_short(target)
    assert [path.name for path in target.parent.iterdir()] == ["file.txt"]
    assert target.read_bytes() == b"first"


async def cut_short(target: Path) -> None:
    async with whole_file(target) as file:
        file.write(b"half")
        raise ValueError("cut")


async def test_a_few_at_once_and_answers_in_order() -> None:
    running: set[int] = set()
    most = 0

    async def call(item: int) -> int:
        nonlocal most
        running.add(item)
        most = max(most, len(running))
        for _ in range(20 - item):
            await asyncio.sleep(0)
        running.remove(item)
        return item * item

    assert await together(call, range(20), 3) == [item * item for item in range(20)]
    assert most == 3


async def test_the_first_failure_ends_the_others() -> None:
    ended: list[int] = []

    async def call(item: int) -> None:
        try:
            if item == 1:
                raise ValueError("first")
            await asyncio.Event().wait()
        finally:
            ended.append(item)

    with pytest.raises(ValueError, match="first"):
        await together(call, range(10), 3)
    assert sorted(ended) == [0, 1, 2]
