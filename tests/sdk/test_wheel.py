"""The built package in a clean environment: the client and `hpc` work without anything of the server's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SERVERS = {"strawberry-graphql", "starlette", "sqlalchemy", "asyncssh", "alembic"}


def run(*command: str | Path) -> str:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("VIRTUAL_ENV", "PYTHON"))}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=ROOT, env=clean, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def oldest_python() -> str:
    """Python 3.10 where this machine has it: the client runs from there on."""
    found = subprocess.run([BIN / "uv", "python", "find", "3.10"], capture_output=True, text=True, check=False)
    return found.stdout.strip() if found.returncode == 0 else sys.executable


@pytest.mark.timeout(240)
def test_it_installs_and_runs_without_the_server(tmp_path: Path) -> None:
    run(BIN / "hatchling", "build", "-t", "wheel", "-d", tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    run(BIN / "uv", "venv", "--quiet", "--python", oldest_python(), tmp_path / "env")
    python = tmp_path / "env" / "bin" / "python"
    run(BIN / "uv", "pip", "install", "--quiet", "--python", python, wheel)
    installed = {line.partition("=")[0] for line in run(BIN / "uv", "pip", "freeze", "--python", python).splitlines()}
    assert "gql" in installed
    assert not installed & SERVERS
    assert "submit" in run(tmp_path / "env" / "bin" / "hpc", "--help")
    assert run(python, "-c", "from gql_gateway.sdk import HpcGateway; print(HpcGateway.__name__)") == "HpcGateway\n"
