"""`hpc` without a gateway: its help, its words when nothing is set up, and what it tells scripts."""

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from gql_gateway.sdk import cli, cli_submit, errors
from gql_gateway.sdk.cli_common import told
from gql_gateway.sdk.cli_options import read_labels
from gql_gateway.sdk.cli_waiting import exit_code
from gql_gateway.sdk.job_types import JobInfo
from tests.sdk.test_records import JOB

COMMANDS = ["login", "status", "submit", "ls", "show", "logs", "files", "put", "get", "rm"]
COMMANDS += ["launch", "cancel", "clone", "wait", "cluster", "delete"]


def hpc(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("GQL_GATEWAY", "XDG_"))}
    return subprocess.run(
        [sys.executable, "-m", "gql_gateway.sdk.cli", *arguments],
        env={**clean, "HOME": str(home), "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_every_command_is_in_the_help(tmp_path: Path) -> None:
    done = hpc(tmp_path, "--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert f" {command} " in done.stdout


def test_without_an_address_it_says_what_to_do(tmp_path: Path) -> None:
    done = hpc(tmp_path, "ls")
    assert done.returncode == 78
    assert "hpc login URL" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_token_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / ".config" / "gql-gateway"
    folder.mkdir(parents=True)
    (folder / "url").write_text("http://127.0.0.1:9\n")
    (folder / "token").write_text("secret\n")
    (folder / "token").chmod(0o644)
    done = hpc(tmp_path, "ls")
    assert done.returncode == 78
    assert "chmod 600" in done.stderr
    assert "secret" not in done.stderr


def test_a_gateway_that_is_away(tmp_path: Path) -> None:
    done = hpc(tmp_path, "status", GQL_GATEWAY_URL="http://127.0.0.1:9")
    assert done.returncode == 69
    assert "http://127.0.0.1:9" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(tmp_path: Path, command: str) -> None:
    said = hpc(tmp_path, command, "--help").stdout
    assert any(word in said for word in ("Example", "Exit code"))


def test_the_address_of_something_else(tmp_path: Path) -> None:
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        done = hpc(tmp_path, "status", GQL_GATEWAY_URL=f"http://127.0.0.1:{other.server_port}")
        other.shutdown()
    assert done.returncode == 65
    assert "Traceback" not in done.stderr
    assert "mozilla" not in done.stderr


def test_fields_are_called_by_their_options() -> None:
    error = errors.InvalidInput(
        "resources.timeLimitSeconds: must be 1.", field=("input", "resources", "timeLimitSeconds")
    )
    other = errors.InvalidInput("environment.0.name: must be one.", field=("input", "environment", "0", "name"))
    error.others = (other,)
    assert told(error) == "--time: must be 1.\n--env: must be one."
    assert told(errors.NotFound("There is no job x.")) == "There is no job x."


def test_labels_at_the_command_line() -> None:
    assert read_labels([]) == {}
    assert read_labels(["project=water", "formula=a=b", "empty="]) == {
        "project": "water",
        "formula": "a=b",
        "empty": "",
    }
    with pytest.raises(errors.InvalidInput, match="--label 'water' is not KEY=VALUE"):
        read_labels(["water"])
    with pytest.raises(errors.InvalidInput, match="twice"):
        read_labels(["project=water", "project=ice"])


def test_a_wrong_option_is_a_wrong_command_line(tmp_path: Path) -> None:
    assert hpc(tmp_path, "submit", "--no-such-thing").returncode == 2


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], {}),
        (["hostname"], {"args": ["hostname"]}),
        (["tool a.txt > b.txt"], {"command": "tool a.txt > b.txt"}),
        (["python", "run.py", "a b"], {"args": ["python", "run.py", "a b"]}),
    ],
)
def test_the_command_of_a_job(words: list[str], expected: dict[str, object]) -> None:
    assert cli_submit.command_of(words) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"state": "COMPLETED", "exitCode": 0}, 0),
        ({"state": "FAILED", "exitCode": 3}, 3),
        ({"state": "FAILED", "exitCode": None, "signal": 9}, 137),
        ({"state": "FAILED", "exitCode": None}, 1),
        ({"state": "FAILED", "exitCode": 0}, 1),
        ({"state": "TIMED_OUT", "exitCode": None}, 124),
        ({"state": "OUT_OF_MEMORY", "exitCode": None}, 137),
        ({"state": "CANCELLED", "exitCode": None}, 143),
        ({"state": "NODE_FAILED", "exitCode": None}, 1),
        ({"state": "LOST", "exitCode": None}, 1),
    ],
)
def test_what_a_script_is_told_of_a_jobs_end(changes: dict[str, object], expected: int) -> None:
    assert exit_code(JobInfo.of({**JOB, **changes})) == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.SubmitRefused("No."), 65),
        (errors.FileNotFound("No."), 66),
        (errors.ConnectionLost("No."), 69),
        (errors.ClusterUnavailable("No.", retryable=True), 75),
        (errors.Unauthenticated("No."), 77),
        (errors.ConfigurationError("No."), 78),
    ],
)
def test_what_a_script_is_told_of_an_error(error: errors.GatewayError, expected: int) -> None:
    assert cli.exit_code(error) == expected
