"""A gateway process on the site, with configuration, store and log in one folder: for the demo and the tests."""

import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

import httpx

from demo.show import StepFailed
from slurm_site import SlurmSite

READY_SECONDS = 30.0
COMMAND = [sys.executable, "-m", "gql_gateway.cli"]

CONFIG = """\
[server]
port = {port}
public_url = "http://127.0.0.1:{port}"
{server}

[store]
url = "{store}"

{more}

[[clusters]]
name = "{name}"
host = "{site.host}"
port = {site.port}
username = "{site.username}"
private_key = "{key}"
known_hosts = "{site.known_hosts}"
root = "{site.root}"
image_allow = ["docker://*", "/opt/img/*.sif"]
{cluster}
"""


class GatewayProcess:
    """A `gql-gateway serve` of its own; a context manager that starts and stops it.

    `more` is TOML of further sections, `server` and `cluster` are further keys of those. `port` 0 takes any free one,
    and `key` is another SSH key than the site's own.
    """

    def __init__(
        self,
        site: SlurmSite,
        folder: Path,
        *,
        name: str = "local",
        store: str | None = None,
        more: str = "",
        server: str = "",
        cluster: str = "",
        port: int = 0,
        key: Path | None = None,
    ) -> None:
        self.port = _free_port(port)
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "gateway.log"
        self.config = folder / "gateway.toml"
        self.store = store or f"sqlite+aiosqlite:///{folder}/gateway.db"
        text = CONFIG.format(
            port=self.port,
            store=self.store,
            more=more,
            name=name,
            site=site,
            key=key or site.private_key,
            server=server,
            cluster=cluster,
        )
        self.config.write_text(text)
        self._process: subprocess.Popen[bytes] | None = None
        if store:  # an SQLite store of its own is migrated by whoever opens it first
            self._run("migrate")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def token(self, email: str, *, name: str = "", role: str = "user") -> str:
        """A new API token for this person."""
        return self._run("token", "create", "--email", email, "--name", name or email, "--role", role).strip()

    def start(self, *, wait: bool = True) -> None:
        """Start the process and wait until it is ready.

        Raises:
            StepFailed: with the end of its log.
        """
        self._process = self._spawn("serve", "--config", str(self.config))
        try:
            if wait:
                self.wait_ready()
        except BaseException:
            self.kill()
            raise

    def stop(self, seconds: float = 15) -> int | None:
        """Ask the process to end, and see to it; its exit status."""
        if self._process is None:
            return None
        self._process.terminate()
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        finally:
            self._process = None

    def kill(self) -> None:
        """End the process as a crash would."""
        if self._process:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    @property
    def pid(self) -> int:
        """Process id of the running gateway."""
        if self._process is None:
            raise StepFailed("The gateway does not run.")
        return self._process.pid

    def told(self, event: str, **fields: object) -> int:
        """How often its log tells of an event with these fields."""
        whole = self.log.read_text().rpartition("\n")[0]
        lines = (json.loads(line) for line in whole.splitlines() if line.startswith("{"))
        wanted = {"event": event, **fields}
        return sum(wanted.items() <= line.items() for line in lines)

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Wait until /readyz says so."""
        deadline = time.monotonic() + seconds
        said = "no answer"
        while self._process and self._process.poll() is None and time.monotonic() < deadline:
            try:
                answer = httpx.get(f"{self.url}/readyz", timeout=5)
            except httpx.TransportError:
                pass
            else:
                if answer.status_code == 200:
                    return
                said = answer.text
            time.sleep(0.05)
        raise StepFailed(f"The gateway is not ready ({said}). Its log ends:\n{self.log.read_text()[-3000:]}")

    def _spawn(self, *arguments: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as output:
            return subprocess.Popen([*COMMAND, *arguments], stdout=output, stderr=output)

    def _run(self, *arguments: str) -> str:
        command = [*COMMAND, *arguments, "--config", str(self.config)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise StepFailed(f"gql-gateway {' '.join(arguments[:2])} failed:\n{done.stderr}")
        return done.stdout


def _free_port(wanted: int) -> int:
    """The wanted port, or where that is taken any other."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found: int = probe.getsockname()[1]
            return found
    raise StepFailed("No port is free on 127.0.0.1.")
