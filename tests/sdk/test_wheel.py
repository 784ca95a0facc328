"""The built package in a clean environment: the client and `hpc` work without anything of the server's."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from gql_gateway.sdk import HpcGateway
from tests.sdk.conftest import IMAGE

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SERVERS = {"strawberry-graphql", "starlette", "uvicorn", "sqlalchemy", "asyncssh", "alembic"}
# A day of its own, so that whatever an old or a new Python lacks is met: threads, sockets, transfers, dates, archives.
DAY = f"""
import sys
from pathlib import Path
from gql_gateway.sdk import HpcGateway, JobState
with HpcGateway() as gateway:
    command = "cat in.txt in.txt > out.txt; echo said"
    job = gateway.run("{IMAGE}", command, upload="in", download="out", labels=dict(python=sys.version))
    assert Path("out", "out.txt").read_text() == "twicetwice"
    assert "".join(job.output()) == "said\\n"
    assert [change.state for change in job.history()][-1] is JobState.COMPLETED
    assert [each.id for each in gateway.jobs(labels=job.info.labels, limit=1)] == [job.id]
    assert job.download_archive("all.tar").files == len(list(Path("out").iterdir())) == 4
    copy = job.clone()
    assert copy.forecast().words
    copy.delete()
print("%d.%d" % sys.version_info[:2])
"""


def run(*command: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None) -> str:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("VIRTUAL_ENV", "PYTHON"))}
    words = [str(word) for word in command]
    done = subprocess.run(
        words, cwd=cwd, env=clean | (env or {}), capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it is published."""
    folder = tmp_path_factory.mktemp("wheel")
    run(BIN / "hatchling", "build", "-t", "wheel", "-d", folder)
    (built,) = folder.glob("*.whl")
    return built


def first(minors: Sequence[int]) -> tuple[str, str]:
    """The first of some versions of Python 3 that this machine has, and its path; else this one."""
    for version in (f"3.{minor}" for minor in minors):
        command = [BIN / "uv", "python", "find", "--no-project", "--system", version]
        found = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        installed = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
        if found or installed:
            return version, found or str(installed[-1])
    return f"3.{sys.version_info.minor}", sys.executable


@pytest.mark.timeout(240)
@pytest.mark.parametrize("minors", [range(10, 16), range(15, 9, -1)], ids=["oldest Python", "newest Python"])
def test_it_installs_and_runs_without_the_server(
    minors: range, wheel: Path, tmp_path: Path, gateway_url: str, scientist_token: str, scientist: HpcGateway
) -> None:
    version, python = first(minors)
    env, bin_folder = tmp_path / "env", tmp_path / "env" / "bin"
    run(BIN / "uv", "venv", "--quiet", "--python", python, env)
    run(BIN / "uv", "pip", "install", "--quiet", "--python", bin_folder / "python", wheel)
    frozen = run(BIN / "uv", "pip", "freeze", "--python", bin_folder / "python").splitlines()
    installed = {line.partition("=")[0] for line in frozen}
    assert "gql" in installed
    assert not installed & SERVERS
    assert "submit" in run(bin_folder / "hpc", "--help")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "in.txt").write_text("twice")
    signed_in = {"GQL_GATEWAY_URL": gateway_url, "GQL_GATEWAY_TOKEN": scientist_token}
    assert run(bin_folder / "python", "-c", DAY, cwd=tmp_path, env=signed_in) == f"{version}\n"
    assert run(bin_folder / "hpc", "logs", "last", cwd=tmp_path, env=signed_in) == "said\n"
