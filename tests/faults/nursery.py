"""Gateways by fork: a process that has imported everything, so that a start costs tenths of a second and not seconds.

`python -m tests.faults.nursery` reads requests as JSON lines and answers each with a process id. A gateway that is
forked here is a process like any other: SIGKILL takes all it has, and it opened its files and connections itself.
"""

import ctypes
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from tests.faults.child import serve

PR_SET_PDEATHSIG = 1


class Fork:
    """A forked gateway, as `subprocess.Popen` would show it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._fd = os.pidfd_open(pid)

    def poll(self) -> int | None:
        return 0 if select.select([self._fd], [], [], 0)[0] else None

    def send_signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._fd, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def wait(self, seconds: float | None = None) -> int:
        if not select.select([self._fd], [], [], seconds)[0]:
            raise subprocess.TimeoutExpired("gateway", seconds or 0)
        return 0


class Nursery:
    """The process that forks, for as long as this one lives; with `environment` beside its own."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        command = [sys.executable, "-m", "tests.faults.nursery"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, env={**os.environ, **(environment or {})}
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=10)

    def fork(self, log: Path, point: str, nth: int, arguments: list[str]) -> Fork:
        assert self._process.stdin
        assert self._process.stdout
        request = {"log": str(log), "point": point, "nth": nth, "arguments": arguments}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return Fork(int(self._process.stdout.readline()))


def tend() -> None:
    """Fork until nobody asks any more; the dead are reaped by the kernel."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        request = json.loads(line)
        if pid := os.fork():
            print(pid, flush=True)
        else:
            _become_gateway(request)


def _become_gateway(request: dict) -> None:
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # outlives neither the nursery nor the tests
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    output = os.open(request["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, opened in enumerate((nothing, output, output)):
        os.dup2(opened, number)
    try:
        serve(request["point"], request["nth"], request["arguments"])
    except SystemExit as end:
        os._exit(int(end.code or 0))
    os._exit(0)


if __name__ == "__main__":
    tend()
