"""The owner's end of a site: launches process 1 in namespaces of its own, talks to it, runs commands beside it."""

import json
import signal
import subprocess
import sys
import threading
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
CLEAN = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}


class SiteError(RuntimeError):
    """The site could not be built or started, or a daemon did not obey; the message says what it said."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where process 1 puts itself; the variables of enter.sh."""

    rootfs: Path
    instance: Path | None = None
    """Folder of the writable layer; None writes right into the root filesystem."""
    scratch_size: str | None = None
    cgroup: str | None = None
    """Its name in the machine's memory controller, if it may use that."""

    def environment(self) -> dict[str, str]:
        fields = {name: str(value or "") for name, value in asdict(self).items()}
        return fields | {"init": str(HERE / "init.py")}


class SiteProcess:
    """A running process 1.

    It ends when its standard input closes, so also when this process is killed, and everything in its namespaces,
    mounts included, ends with it.
    """

    def __init__(self, place: Place, keep: list[int]) -> None:
        """Process 1 keeps the descriptors `keep` open for as long as it lives."""
        namespaces = ["--pid", "--fork", "--kill-child=KILL", "--mount", "--uts", "--ipc"]
        self._unshare = subprocess.Popen(
            ["unshare", *namespaces, "sh", str(HERE / "enter.sh")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=CLEAN | place.environment(),
            start_new_session=True,  # Ctrl-C at a terminal is the owner's
            pass_fds=keep,
        )
        self._one_at_a_time = threading.Lock()
        self.pid: int = self._answer()

    def _answer(self) -> Any:
        assert self._unshare.stdout is not None
        line = self._unshare.stdout.readline()
        if not line:
            raise SiteError(f"process 1 of the site ended with status {self._unshare.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise SiteError(answer["error"])
        return answer["result"]

    def request(self, verb: str, **arguments: Any) -> Any:
        """Have process 1 call a method; SiteError carries its complaint."""
        assert self._unshare.stdin is not None
        with self._one_at_a_time:
            print(json.dumps({"do": verb} | arguments), file=self._unshare.stdin, flush=True)
            return self._answer()

    @property
    def root(self) -> Path:
        """The site's root directory as the host sees it, while it runs."""
        return Path(f"/proc/{self.pid}/root")

    def run(
        self,
        argv: list[str],
        *,
        user: str = "root",
        input: str | None = None,  # noqa: A002 - the name that subprocess.run has
        check: bool = True,
        timeout: float = 30,
    ) -> subprocess.CompletedProcess[str]:
        """Run `argv` inside, in `user`'s home and without this process's environment.

        A command that takes longer than `timeout` seconds is killed: subprocess.TimeoutExpired. With `check`, a
        status other than 0 is subprocess.CalledProcessError, with the command's own words as its note.
        """
        ended = subprocess.run(
            inside(self.pid, ["timeout", "--signal=KILL", str(timeout), *as_user(user, argv)]),
            input=input if input is not None else "",
            check=False,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env=CLEAN,
        )
        if ended.returncode == -signal.SIGKILL:  # `timeout` ends itself by the signal that it sent
            raise subprocess.TimeoutExpired(argv, timeout, ended.stdout, ended.stderr)
        if check and ended.returncode:
            error = subprocess.CalledProcessError(ended.returncode, argv, ended.stdout, ended.stderr)
            error.add_note(ended.stderr or ended.stdout)
            raise error
        return ended

    def close(self) -> None:
        """Process 1 ends at once, and the kernel kills the rest of its namespace first."""
        assert self._unshare.stdin is not None
        assert self._unshare.stdout is not None
        self._unshare.stdin.close()
        try:
            self._unshare.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._unshare.kill()
            self._unshare.wait()
        self._unshare.stdout.close()


def inside(pid: int, argv: list[str]) -> list[str]:
    """The command that runs `argv` as root in the namespaces of a site's process 1."""
    return ["nsenter", "-t", str(pid), "--mount", "--uts", "--ipc", "--pid", "--root", "--wd", *argv]


def as_user(user: str, argv: list[str]) -> list[str]:
    login = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--reset-env"]
    return [*login, "sh", "-c", 'cd && exec "$@"', "sh", *argv]


def say(text: str) -> None:
    """Progress, on standard error: standard output is for results."""
    print(text, file=sys.stderr, flush=True)
