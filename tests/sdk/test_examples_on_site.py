"""The examples are true: scripts and README run, and the notebook says today what it keeps of the day when it ran."""

import ast
import io
import json
import os
import re
import subprocess
import sys
import tarfile
from contextlib import redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from demo.gateway import GatewayProcess

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
IMAGES = re.compile(r"docker://alpine:3")
# What is another on each day: ids, Slurm's numbers, the size of a script with longer or shorter paths.
CHANGING = re.compile(r"[0-9a-f]{32}|slurm-\d+|\d+(?=  (?:run\.sh|in\b))")


def cells() -> list[dict[str, Any]]:
    notebook = json.loads((EXAMPLES / "a_calculation.ipynb").read_text())
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def kept(cell: dict[str, Any]) -> str:
    """What a cell printed and what it came to, as the notebook shows it."""
    outputs = cell["outputs"]
    return "".join("".join(output.get("text") or output["data"]["text/plain"]) for output in outputs)


def plain(text: str) -> str:
    return "".join(CHANGING.sub("…", text).split())


def execute(source: str, names: dict[str, Any]) -> str:
    """Run a cell; what it prints, and the value of its last line where that is an expression."""
    module = ast.parse(source)
    last = ast.Expression(module.body.pop().value) if isinstance(module.body[-1], ast.Expr) else None
    with redirect_stdout(io.StringIO()) as printed:
        exec(compile(module, "cell", "exec"), names)
        value = eval(compile(last, "cell", "eval"), names) if last else None
    return printed.getvalue() + ("" if value is None else repr(value))


def test_the_notebook_says_what_it_keeps(
    gateway: GatewayProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GQL_GATEWAY_URL", gateway.url)
    monkeypatch.setenv("GQL_GATEWAY_TOKEN", gateway.token("grace.hopper@example.org"))
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for cell in cells():
        assert plain(execute("".join(cell["source"]), names)) == plain(kept(cell)), "".join(cell["source"])


@pytest.fixture
def signed_in(gateway: GatewayProcess, tmp_path: Path) -> dict[str, str]:
    """The environment of a scientist of their own, with `hpc` and `python` first in the path."""
    token = gateway.token(f"{tmp_path.name}@example.org")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    own = {"PATH": path, "TMPDIR": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    return {**os.environ, **own, "GQL_GATEWAY_URL": gateway.url, "GQL_GATEWAY_TOKEN": token}


def said(command: list[str | Path], folder: Path, environment: dict[str, str], typed: str | None = None) -> str:
    done = subprocess.run(
        command, cwd=folder, env=environment, input=typed, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def from_readme(language: str, begins: str, gateway: GatewayProcess) -> str:
    """A block of the README, with this gateway's address and an image that the site has."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL)
    (block,) = (block for block in blocks if block.startswith(begins))
    return str(IMAGES.sub("/opt/img/busybox.sif", block).replace("https://hpc.example.org", gateway.url))


def test_the_script_runs(signed_in: dict[str, str], tmp_path: Path) -> None:
    words = said([sys.executable, EXAMPLES / "run_a_job.py", "/opt/img/busybox.sif"], tmp_path, signed_in)
    assert "step 5 of 5\nCOMPLETED\n" in words
    assert words.endswith("holds: 5 input.txt\n")


def test_the_readmes_script_runs(gateway: GatewayProcess, signed_in: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "numbers.txt").write_text("3\n1\n2\n")
    text = "import os\ntoken = os.environ['GQL_GATEWAY_TOKEN']\n" + from_readme("python", "from", gateway)
    text += from_readme("python", "with", gateway)
    ended, used, start = said([sys.executable, "-c", text], tmp_path, signed_in).splitlines()
    assert ended == "COMPLETED"
    assert re.fullmatch(r"sort \S+ 524288000 \S+", used)
    assert datetime.fromisoformat(start).tzinfo is UTC
    assert (tmp_path / "sorted.txt").read_text() == "1\n2\n3\n"
    assert tarfile.is_tarfile(tmp_path / "results.tar")


def test_the_readmes_commands_run(gateway: GatewayProcess, signed_in: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "inputs").mkdir()
    (tmp_path / "inputs" / "numbers.txt").write_text("3\n1\n2\n")
    commands = from_readme("sh", "hpc login", gateway).replace("hpc login", "hpc login --token-stdin")
    token = signed_in.pop("GQL_GATEWAY_TOKEN")
    del signed_in["GQL_GATEWAY_URL"]
    said(["sh", "-e", "-c", commands], tmp_path, signed_in, typed=f"{token}\n")
    assert (tmp_path / "results" / "sorted.txt").read_text() == "1\n2\n3\n"
    assert tarfile.is_tarfile(tmp_path / "results.tar")
