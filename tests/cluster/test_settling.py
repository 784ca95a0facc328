"""Files go to the agent's disk while they arrive."""

import os
import tempfile
from pathlib import Path

import pytest

from gql_gateway.cluster.agent import parts
from gql_gateway.cluster.agent.settling import STEP, Settling

PART = "0" * 32


def test_the_disk_is_asked_step_by_step() -> None:
    with tempfile.TemporaryFile() as file:
        settling = Settling(file.fileno())
        settling.grown(STEP - 1)
        assert settling.thread is None
        settling.grown(1)
        first = settling.thread
        assert first
        first.join(10)
        settling.grown(STEP)
        assert settling.thread is not first
        settling.end()


def test_what_the_disk_could_not_take_is_told_at_the_end() -> None:
    reads, writes = os.pipe()  # which no disk takes: EINVAL
    try:
        settling = Settling(writes)
        settling.grown(STEP)
        with pytest.raises(OSError, match="Invalid argument"):
            settling.end()
    finally:
        os.close(reads)
        os.close(writes)


def test_a_part_that_the_disk_could_not_take_is_given_up(tmp_path: Path) -> None:
    request = {"root": str(tmp_path), "job": ["job"], "parts": ["file"], "part": PART, "size": 1, "overwrite": True}
    (tmp_path / "job").mkdir()
    parts.begin(request, b"")
    part = parts.Part({**request, "offset": 0})
    assert part.open() == {"state": "open", "offset": 0}
    reads, writes = os.pipe()
    settling = Settling(writes)
    settling.grown(STEP)
    with pytest.raises(OSError, match="Invalid argument"):
        part.settle(settling)
    assert list((tmp_path / "job" / "incoming").iterdir()) == []
    for fd in (reads, writes, part.fd, part.incoming):
        os.close(fd)
