"""A part that lacks nothing gets its name from the agent that stands, which must keep nothing of it open."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gql_gateway.cluster.agent import parts

DATA = b"whole"


@pytest.fixture
def request_(tmp_path: Path) -> dict[str, Any]:
    (tmp_path / "job").mkdir()
    where = {"root": str(tmp_path), "job": ["job"], "parts": ["file"], "part": "0" * 32}
    request = {**where, "size": len(DATA), "sha256": None, "overwrite": True}
    parts.begin(request, b"")
    return request


@pytest.fixture(autouse=True)
def no_descriptor_is_left(request_: dict[str, Any]) -> Iterator[None]:
    before = descriptors()
    yield
    assert descriptors() == before


def descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def write(request: dict[str, Any], data: bytes) -> None:
    path = Path(request["root"], "job", "incoming", f"part-{request['part']}")
    path.write_bytes(data)


def test_it_gets_its_name_and_asking_again_does_no_harm(request_: dict[str, Any], tmp_path: Path) -> None:
    write(request_, DATA)
    done = {"state": "done", "offset": len(DATA)}
    assert parts.complete(request_, b"") == done
    assert (tmp_path / "job" / "file").read_bytes() == DATA
    assert parts.complete(request_, b"") == done


def test_one_that_lacks_something_does_not(request_: dict[str, Any], tmp_path: Path) -> None:
    write(request_, DATA[:-1])
    assert parts.complete(request_, b"") == {"state": "elsewhere", "offset": len(DATA) - 1}
    assert not (tmp_path / "job" / "file").exists()


def test_one_that_another_adds_to_does_not(request_: dict[str, Any], tmp_path: Path) -> None:
    write(request_, DATA)
    other = parts.Part({**request_, "offset": len(DATA)})
    assert other.open()["state"] == "open"
    assert parts.complete(request_, b"") == {"state": "busy", "offset": len(DATA)}
    assert not (tmp_path / "job" / "file").exists()
    other.close()
    assert parts.complete(request_, b"")["state"] == "done"
