"""The site's process 1: writes its files, starts its daemons, reaps orphans, obeys its owner and ends with it.

It is copied into the site and runs on the site's own python3-minimal: only modules that are in there. Standard input
brings one JSON request a line and ends when the owner is gone; standard output takes one JSON answer a line.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

LOGS = Path("/var/log/site")
PATIENCE = 30.0
"""Seconds that a daemon may take to answer, or to end when told to; a busy machine needs some."""


def write_file(path: Path, text: str, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def wait_for(reached: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    end = time.monotonic() + seconds
    while not reached():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} took longer than {seconds} s")
        time.sleep(0.01)


def accepts(address: str | int) -> bool:
    """Whether somebody listens: a path is a UNIX socket, a number a port on 127.0.0.1."""
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    target = address if isinstance(address, str) else ("127.0.0.1", address)
    with socket.socket(family) as probe:
        return probe.connect_ex(target) == 0


class Daemon:
    """One daemon in the foreground under this process, and its log."""

    def __init__(self, name: str, argv: list[str], listens: str | int, environment: dict[str, str]) -> None:
        self.name, self.argv, self.listens, self.environment = name, argv, listens, environment
        self.pid: int | None = None
        self.ended: int | None = None
        self.told_to_end = False

    def spawn(self) -> None:
        log = (os.POSIX_SPAWN_OPEN, 1, f"{LOGS}/{self.name}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        null = (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])  # it must not be reaped before its pid is known
        self.ended, self.told_to_end = None, False
        self.pid = os.posix_spawn(
            self.argv[0],
            self.argv,
            self.environment,
            file_actions=[null, log, (os.POSIX_SPAWN_DUP2, 1, 2)],
            setsid=True,
            setsigmask=[],
            setsigdef=[signal.SIGINT, signal.SIGPIPE],  # Python ignores SIGPIPE; a daemon expects the defaults
        )
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])

    def wait_listening(self) -> None:
        def listening() -> bool:
            if self.pid is None:
                raise RuntimeError(self.obituary())
            return accepts(self.listens)

        wait_for(listening, f"{self.name}'s start")

    def obituary(self) -> str:
        log = (LOGS / f"{self.name}.log").read_text(encoding="utf-8", errors="replace")
        return f"{self.name} ended with status {self.ended}: " + "\n".join(log.splitlines()[-8:])

    def kill(self, number: int) -> None:
        if self.pid is None:
            raise RuntimeError(f"{self.name} is not running")
        os.kill(self.pid, number)

    def stop(self, number: int) -> None:
        pid = self.pid
        if pid is None:
            return
        self.told_to_end = True
        os.kill(pid, number)
        with suppress(ProcessLookupError):  # it may be gone already; a frozen one has to wake up to end
            os.kill(pid, signal.SIGCONT)
        wait_for(lambda: self.pid is None, f"{self.name}'s end")


class Site:
    """All daemons by name; each public method is a request that the owner may send."""

    def __init__(self) -> None:
        self.daemons: dict[str, Daemon] = {}
        signal.signal(signal.SIGCHLD, lambda _number, _frame: self._reap())

    def _reap(self) -> None:
        by_pid = {daemon.pid: daemon for daemon in self.daemons.values()}
        with suppress(ChildProcessError):
            while (status := os.waitpid(-1, os.WNOHANG))[0]:
                if daemon := by_pid.get(status[0]):
                    daemon.pid, daemon.ended = None, os.waitstatus_to_exitcode(status[1])

    def boot(self, waves: list[list[dict[str, Any]]]) -> None:
        """Start wave after wave; the daemons of one wave start side by side."""
        LOGS.mkdir(parents=True, exist_ok=True)
        for wave in waves:
            daemons = [Daemon(**fields) for fields in wave]
            self.daemons |= {daemon.name: daemon for daemon in daemons}
            for daemon in daemons:
                daemon.spawn()
            for daemon in daemons:
                daemon.wait_listening()

    def start(self, name: str) -> None:
        daemon = self.daemons[name]
        if daemon.pid is None:
            daemon.spawn()
        daemon.wait_listening()

    def stop(self, name: str, number: int) -> None:
        self.daemons[name].stop(number)

    def kill(self, name: str, number: int) -> None:
        self.daemons[name].kill(number)

    def failures(self) -> list[str]:
        """Of daemons that ended without being told to: what they said."""
        return [daemon.obituary() for daemon in self.daemons.values() if daemon.pid is None and not daemon.told_to_end]

    def kill_sessions(self, number: int) -> list[int]:
        """Signal every sshd process but the listener, and say which."""
        sessions = [pid for pid in ssh_processes() if pid != self.daemons["sshd"].pid]
        for pid in sessions:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        return sessions


def ssh_processes() -> list[int]:
    """Of the listener and of every session; OpenSSH 9.8 and later have programs of their own for sessions."""
    names = {"sshd", "sshd-session", "sshd-auth"}
    found = []
    for comm in Path("/proc").glob("[0-9]*/comm"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if comm.read_text(encoding="utf-8").strip() in names:
                found.append(int(comm.parent.name))
    return found


def prepare(files: list[tuple[str, str, int]], commands: list[list[str]]) -> None:
    """Before the first daemon, while nobody reaps."""
    for path, text, mode in files:
        write_file(Path(path), text, mode)
    for command in commands:
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


def serve() -> None:
    """Answer requests until the owner's end of the pipe closes; then process 1 ends, and with it the whole site."""
    site: Site | None = None
    for line in sys.stdin:
        request = json.loads(line)
        verb = request.pop("do")
        try:
            if verb == "prepare":
                method: Callable[..., Any] = prepare
            else:
                site = site or Site()
                method = getattr(site, verb)
            answer = {"result": method(**request)}
        except Exception as error:  # noqa: BLE001 - process 1 must not end: the owner is told instead
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    print(json.dumps({"result": int(os.environ.pop("host_pid"))}), flush=True)
    serve()
    os._exit(0)
