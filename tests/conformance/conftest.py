"""Node and its packages, installed once for each lock file, and how a script of theirs is run."""

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from demo.gateway import GatewayProcess
from slurm_site import SlurmSite
from tests.client import Client

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
SECONDS = 100


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a suite found out; `detail` says what is wrong where it is."""

    name: str
    ok: bool
    detail: str


Suite = Callable[[str], Sequence[Check]]


@pytest.fixture(scope="session")
def packages() -> Path:
    """The packages of package-lock.json, in node_modules beside it."""
    wanted = hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    stamp = HERE / "node_modules" / ".installed"
    stamp.parent.mkdir(exist_ok=True)
    with (HERE / "node_modules.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (stamp.exists() and stamp.read_text() == wanted):
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline"]
            done = subprocess.run(command, cwd=HERE, env=_environment(), capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{' '.join(command)} failed:\n{done.stderr}"
            stamp.write_text(wanted)
    return stamp.parent


@pytest.fixture(scope="session")
def suite(packages: Path, gateway: GatewayProcess, site: SlurmSite, alice: Client) -> Suite:
    """Runs one of the scripts here against the shared gateway, as Alice."""
    given = {"GATEWAY_URL": gateway.url, "GATEWAY_TOKEN": alice.token or "", "GATEWAY_IMAGE": site.image}
    return lambda name: run(name, given)


def run(name: str, given: dict[str, str] | None = None) -> Sequence[Check]:
    """What a script reports; it must come to its end."""
    command = ["node", f"{name}.mjs"]
    environment = _environment() | (given or {})
    done = subprocess.run(
        command, cwd=HERE, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, f"{name}.mjs did not come to its end:\n{done.stdout}\n{done.stderr}"
    return [Check(**json.loads(line)) for line in done.stdout.splitlines() if line.startswith("{")]


def _environment() -> dict[str, str]:
    """Node of the virtual environment, and no colours."""
    return os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}", "NO_COLOR": "1"}
