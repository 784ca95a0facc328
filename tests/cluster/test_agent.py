"""The agent as a process of its own, spoken to by frames: what no SSH is needed for."""

import ast
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.resources import files
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import orjson
import pytest

from gql_gateway.cluster import bundle
from gql_gateway.cluster.agent import commands
from gql_gateway.cluster.agent.wire import LENGTHS, PROTOCOL
from gql_gateway.cluster.channel import frame

SENTINEL = "<begin>\n"
STANDARD = {
    *("collections", "contextlib", "errno", "fcntl", "grp", "hashlib", "io", "itertools", "json", "os"),
    *("pwd", "select", "re", "selectors", "signal", "stat", "struct", "subprocess", "sys", "threading", "time"),
    *("traceback", "typing"),
}


class Local:
    """An agent on this machine."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        assert process.stdin
        assert process.stdout
        self.input, self.output = process.stdin, process.stdout

    def send(self, number: int, op: str, body: bytes = b"", **fields: object) -> None:
        self.input.write(frame({"id": number, "op": op, **fields}, body))
        self.input.flush()

    def receive(self) -> tuple[dict[str, Any], bytes]:
        head, size = LENGTHS.unpack(self.output.read(LENGTHS.size))
        return orjson.loads(self.output.read(head)), self.output.read(size)

    def run(
        self, argv: list[str], body: bytes = b"", seconds: float = 10, limit: int = 1000, **more: object
    ) -> tuple[Any, bytes]:
        self.send(1, "run", body, argv=argv, seconds=seconds, limit=limit, slurm_path="/opt/slurm/bin", **more)
        return self.receive()


@pytest.fixture
def agent() -> Iterator[Local]:
    with subprocess.Popen(
        ["/bin/sh", "-c", bundle.command(sys.executable)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={
            **os.environ,
            "SBATCH_PARTITION": "wrong",
            "SLURM_CLUSTERS": "wrong",
            "SLURM_CONF": "/etc/c",
            "LANG": "de_DE.UTF-8",
        },
    ) as process:
        local = Local(process)
        local.input.write(bundle.source(SENTINEL))
        local.input.flush()
        assert local.output.read(len(SENTINEL) + 1) == f"\n{SENTINEL}".encode()
        assert local.receive()[0]["protocol"] == PROTOCOL
        yield local
        process.kill()
        local.input.close()
        local.output.close()


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits for its parent to look does not."""
    with suppress(FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def gone(pid: int) -> bool:
    end = monotonic() + 5
    while alive(pid) and monotonic() < end:
        sleep(0.01)
    return not alive(pid)


def a_sleeper(agent: Local, **more: object) -> int:
    """Have the agent run something long; its process id."""
    agent.send(1, "run", argv=["sleep", "60"], seconds=60, limit=10, slurm_path="", **more)
    return started(agent, "sleep")


def started(agent: Local, name: str) -> int:
    """A process of this name that the agent started."""
    end = monotonic() + 5
    while monotonic() < end:
        lists = Path(f"/proc/{agent.process.pid}/task").glob("*/children")
        for pid in (int(pid) for path in lists for pid in path.read_text().split()):
            if Path(f"/proc/{pid}/comm").read_text() == f"{name}\n":
                return pid
    raise AssertionError("nothing was started")


def test_the_agent_is_python_3_6_and_imports_the_standard_library_alone() -> None:
    for name in bundle.MODULES:
        text = (files(bundle.PACKAGE) / f"{name}.py").read_text("utf-8")
        for node in ast.walk(ast.parse(text, feature_version=(3, 6))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert all(found in STANDARD or found.startswith(bundle.PACKAGE) for found in names), (name, names)


def test_a_command_gets_its_input_and_a_clean_environment(agent: Local) -> None:
    header, body = agent.run(["sh", "-c", "cat; env; echo words >&2; exit 7"], b"input\n" * 20_000, limit=200_000)

    out, err = body[: header["ok"]["out"]], body[header["ok"]["out"] :]
    assert (header["ok"]["exit"], err) == (7, b"words\n")
    assert out.startswith(b"input\n" * 20_000)
    environment = dict(line.split("=", 1) for line in out[120_000:].decode().splitlines())
    assert (environment["LC_ALL"], environment["SLURM_TIME_FORMAT"], environment["SLURM_CONF"]) == ("C", "%s", "/etc/c")
    assert environment["PATH"].startswith("/opt/slurm/bin:")
    assert not {"SBATCH_PARTITION", "SLURM_CLUSTERS", "LANG"} & environment.keys()


def test_a_script_goes_to_its_command_at_one_stroke_and_what_is_larger_does_not_wait() -> None:
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    assert not commands.feed(writes, memoryview(b"x" * 60_000)), "an agent killed now has handed over all of it"
    assert 0 < len(commands.feed(writes, memoryview(b"x" * 60_000))) < 60_000
    os.close(reads)
    assert not commands.feed(writes, memoryview(b"x")), "nobody wants more"
    os.close(writes)


def test_a_command_that_reads_nothing_keeps_its_answer(agent: Local) -> None:
    header, body = agent.run(["sh", "-c", "exec <&-; echo done; exit 3"], b"x" * 1_000_000)

    assert (header["ok"]["exit"], body) == (3, b"done\n")


def test_a_signal_is_an_exit_below_zero(agent: Local) -> None:
    assert agent.run(["sh", "-c", "kill -TERM $$"])[0]["ok"]["exit"] == -signal.SIGTERM


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (["sleep", "9"], "CLUSTER_TIMEOUT", "within 0.5 s"),
        (["sh", "-c", "sleep 9 & sleep 9"], "CLUSTER_TIMEOUT", "within 0.5 s"),
        (["yes"], "CLUSTER_UNAVAILABLE", "larger than 1000 bytes"),
        (["no-such-command"], "CLUSTER_UNAVAILABLE", "cannot be started"),
    ],
)
def test_what_cannot_be_is_told_in_time(agent: Local, argv: list[str], code: str, words: str) -> None:
    begun = monotonic()

    answer, said = agent.run(argv, seconds=0.5)[0]["error"]

    assert answer == code
    assert words in said
    assert monotonic() - begun < 3


def test_children_die_when_the_gateway_is_gone(agent: Local) -> None:
    sleeper = a_sleeper(agent)

    agent.input.close()

    assert gone(sleeper)
    assert agent.process.wait(5) == 0


def test_children_die_when_the_agent_is_killed(agent: Local) -> None:
    sleeper = a_sleeper(agent)

    agent.process.kill()

    assert gone(sleeper)


def test_a_command_may_be_started_before_its_input_is_known(agent: Local) -> None:
    words = {"argv": ["sh", "-c", "echo $$; cat"], "slurm_path": "/opt/slurm/bin"}
    agent.send(1, "run", **words, seconds=10, limit=1000, early=True)
    assert agent.receive() == ({"id": 1, "ok": {}}, b"")
    early = started(agent, "sh")

    assert agent.run(words["argv"], b"input")[1] == b"%d\ninput" % early
    assert agent.run(words["argv"], b"again")[1] != b"%d\nagain" % early


def test_one_whose_input_does_not_come_is_ended(agent: Local) -> None:
    assert gone(a_sleeper(agent, early=True))


def test_a_command_that_has_said_enough_is_not_waited_for_and_does_not_stay(agent: Local) -> None:
    said, out = agent.run(["sh", "-c", "cat; echo $$; exec sleep 60"], b"", enough="[0-9]+\\n")
    assert (said["ok"]["exit"], said["ok"]["out"]) == (0, len(out))
    assert gone(int(out))


@pytest.mark.parametrize("words", ["echo word; echo 1", "echo 1; echo 2", "printf 1", "echo a complaint >&2; echo 1"])
def test_what_is_more_or_less_than_enough_is_waited_for(agent: Local, words: str) -> None:
    said, _ = agent.run(["sh", "-c", f"exec 3>&1; {{ {words}; }} | cat; exit 7"], enough="[0-9]+\\n")
    assert said["ok"]["exit"] == 7


def test_slow_commands_do_not_hold_up_files(agent: Local, tmp_path: Path) -> None:
    for number in range(20):
        agent.send(number, "run", argv=["sleep", "30"], seconds=30, limit=10, slurm_path="")
    agent.send(99, "list", root=str(tmp_path), parts=[])

    assert agent.receive()[0] == {"id": 99, "ok": {"entries": []}}


def test_a_fault_of_its_own_is_answered_too(agent: Local) -> None:
    agent.send(5, "list", root=str(Path.cwd()), parts=7)

    header, _ = agent.receive()

    assert (header["id"], header["error"][0]) == (5, "INTERNAL")
