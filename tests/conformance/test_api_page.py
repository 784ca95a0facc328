"""docs/api.md is as the schema is, and each of its examples runs as it stands there."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from demo.gateway import GatewayProcess
from slurm_site import SlurmSite
from tests.client import Client

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text()
SECONDS = 60
Run = Callable[[list[str], str, Path, str], str]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


def test_the_page_is_as_the_schema_is() -> None:
    told = "import sys; sys.path.insert(0, 'scripts'); import api_page; print(api_page.page(), end='')"
    done = subprocess.run([sys.executable, "-c", told], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == PAGE, "docs/api.md is behind: run `make schema`"


@pytest.fixture(scope="module")
def run(gateway: GatewayProcess, site: SlurmSite, alice: Client) -> Run:
    """Run an example with the gateway's address, a token and an image of the site in place."""
    alice.create_job(name="there is one")

    def _run(command: list[str], text: str, folder: Path, name: str) -> str:
        text = text.replace("https://hpc.example.org", gateway.url).replace("docker://alpine:3", site.image)
        (folder / name).write_text(text.replace("wss://hpc.example.org", gateway.url.replace("http", "ws", 1)))
        environment = os.environ | {
            "TOKEN": alice.token or "",
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        done = subprocess.run(
            [*command, name],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return _run


def test_the_day_with_curl(run: Run, tmp_path: Path) -> None:
    told = run(["bash", "-eu"], "".join(blocks("sh")), tmp_path, "day.sh")
    assert '"userErrors":[]' in told
    assert '"state":"COMPLETED"' in told
    assert told.endswith("1\n2\n3\n")


@pytest.mark.parametrize("number", range(len(blocks("js"))))
def test_examples_in_javascript(run: Run, packages: Path, number: int) -> None:
    name = f".example-{os.getpid()}-{number}.mjs"  # beside the packages, where its imports find them
    try:
        told = run(["node"], blocks("js")[number], packages, name)
    finally:
        (packages / name).unlink(missing_ok=True)
    assert told.strip()


def test_the_example_in_python(run: Run, tmp_path: Path) -> None:
    (example,) = blocks("python")
    assert run([sys.executable], example, tmp_path, "example.py") == "1\n2\n3\n"
