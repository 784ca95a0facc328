"""A gateway process of the demo's own, on the site, with an embedded store in a folder that goes with it."""

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from demo.show import StepFailed
from slurm_site import SlurmSite

READY_SECONDS = 30.0

CONFIG = """\
[server]
port = {port}
public_url = "http://127.0.0.1:{port}"

[store]
url = "sqlite+aiosqlite:///{folder}/gateway.db"

[[clusters]]
name = "demo"
host = "{site.host}"
port = {site.port}
username = "{site.username}"
private_key = "{site.private_key}"
known_hosts = "{site.known_hosts}"
root = "{site.root}"
image_allow = ["docker://*", "/opt/img/*.sif"]
"""


@dataclass(frozen=True)
class Gateway:
    """A running gateway: its address, a token for one scientist, its log."""

    url: str
    token: str
    log: Path


@contextmanager
def gateway(site: SlurmSite) -> Iterator[Gateway]:
    """Start a gateway and wait until it is ready; stop it and remove its store at the end.

    Raises:
        StepFailed: with the end of its log.
    """
    with tempfile.TemporaryDirectory(prefix="gql-gateway-demo-") as name:
        folder = Path(name)
        port = _free_port()
        config = folder / "gateway.toml"
        config.write_text(CONFIG.format(port=port, folder=folder, site=site))
        command = [sys.executable, "-m", "gql_gateway.cli"]
        log = folder / "gateway.log"
        _run([*command, "migrate", "--config", str(config)])
        token = _run(
            [
                *command,
                "token",
                "create",
                "--config",
                str(config),
                "--email",
                "marie.curie@example.org",
                "--name",
                "Marie Curie",
            ]
        )
        with log.open("wb") as output:
            process = subprocess.Popen([*command, "serve", "--config", str(config)], stdout=output, stderr=output)
        try:
            running = Gateway(f"http://127.0.0.1:{port}", token.strip(), log)
            _wait(process, running)
            yield running
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _run(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        raise StepFailed(f"{' '.join(command[2:5])} failed:\n{done.stderr}")
    return done.stdout


def _wait(process: subprocess.Popen[bytes], running: Gateway) -> None:
    deadline = time.monotonic() + READY_SECONDS
    said = "no answer"
    while process.poll() is None and time.monotonic() < deadline:
        try:
            answer = httpx.get(f"{running.url}/readyz", timeout=5)
            if answer.status_code == 200:
                return
            said = answer.text
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise StepFailed(f"The gateway is not ready ({said}). Its log ends:\n{running.log.read_text()[-2000:]}")


def _free_port() -> int:
    """8000 as in the documentation, or where that is taken any other."""
    for wanted in (8000, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wanted))
            except OSError:
                continue
            port: int = probe.getsockname()[1]
            return port
    raise StepFailed("No port is free on 127.0.0.1.")
