"""`hpc` on the real site, as a scientist and as a script would use it."""

import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gql_gateway.sdk import ClusterUnavailable, GatewayError, HpcGateway, Job, JobState, SubmitRefused, cli, cli_jobs
from tests.sdk.conftest import IMAGE

Hpc = Callable[..., Result]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GQL_GATEWAY")}
    return {**clean, "XDG_CONFIG_HOME": str(tmp_path / "config"), "COLUMNS": "160"}


@pytest.fixture
def hpc(environment: dict[str, str], gateway_url: str, scientist_token: str, scientist: HpcGateway) -> Hpc:
    """A signed-in `hpc`, in this process: each process of its own would load every library again."""

    def run(*arguments: str | Path, expect: int = 0, typed: str | None = None) -> Result:
        done = CliRunner(env=environment).invoke(cli.app, [*map(str, arguments)], input=typed)
        error = done.exception
        code = cli.exit_code(error) if isinstance(error, GatewayError) else done.exit_code
        assert code == expect, f"{code} {error!r}\n{done.output}"
        return done

    run("login", gateway_url, "--token-stdin", typed=scientist_token)
    return run


def test_login_keeps_what_it_needs_for_you_alone(hpc: Hpc, environment: dict[str, str], gateway_url: str) -> None:
    folder = Path(environment["XDG_CONFIG_HOME"], "gql-gateway")
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == {"url": 0o600, "token": 0o600}
    assert (folder / "url").read_text().strip() == gateway_url
    hpc("login", "--token-stdin", expect=77, typed="wrong")
    assert "gateway" in hpc("status").stdout
    assert "debug*" in hpc("cluster").stdout


def test_a_scientists_day(hpc: Hpc, tmp_path: Path) -> None:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "in" / "a.txt").write_text("A")
    (tmp_path / "in" / "sub" / "b.txt").write_text("B")
    labels = ("-l", "project=water", "--label", "run=7")
    submit = ("submit", "--image", IMAGE, "--upload", tmp_path / "in", "--name", "a day", *labels)
    jobid = hpc(*submit, "--", "cat a.txt sub/b.txt > ab; echo out; exit 3").stdout.strip()
    assert "COMPLETED" not in hpc("wait", jobid, expect=3).stderr
    known = json.loads(hpc("show", jobid, "--json").stdout)
    assert (known["exit_code"], known["usage"]["elapsed_seconds"] >= 0) == (3, True)
    shown = hpc("show", jobid).stdout
    assert "exit code 3" in shown
    assert re.search(r"Labels +project=water +\n +run=7 +\n", shown)
    assert hpc("logs", jobid).stdout == "out\n"
    assert jobid in hpc("ls", "--state", "failed", "--search", "a day", *labels).stdout
    assert hpc("ls", "-l", "project=water", "-l", "run=8").stdout == "No jobs.\n"
    assert {file["path"] for file in json.loads(hpc("files", jobid, "-r", "--json").stdout)} >= {"ab", "sub/b.txt"}
    hpc("get", jobid, "ab", "sub", "--to", tmp_path / "back")
    assert (tmp_path / "back" / "ab").read_text() == "AB"
    assert (tmp_path / "back" / "sub" / "b.txt").read_text() == "B"
    hpc("get", jobid, "sub", "--archive", "sub.tar", "--to", tmp_path / "back")
    with tarfile.open(tmp_path / "back" / "sub.tar") as tar:
        assert tar.getnames() == ["sub", "sub/b.txt"]
    all_of_it = hpc("get", jobid, "--archive", tmp_path / "all.tar", "--json").stdout
    assert json.loads(all_of_it)["files"] == 5, "a.txt, ab, sub/b.txt, run.sh and Slurm's output"
    hpc("get", jobid, "--archive", tmp_path / "all.zip", expect=65)
    hpc("get", jobid, "ab", "sub", "--archive", tmp_path / "two.tar", expect=2)
    hpc("put", jobid, tmp_path / "back" / "ab", tmp_path / "in", "--to", "more")
    assert "more/ab" in hpc("files", jobid, "more/ab").stdout, "of a file it says what that is"
    hpc("files", jobid, "more/nothing", expect=66)
    hpc("rm", jobid, "more/in/sub", "ab")
    left = {file["path"] for file in json.loads(hpc("files", jobid, "-r", "--json").stdout)}
    assert left >= {"more/ab", "more/in/a.txt"}
    assert not left & {"ab", "more/in/sub/b.txt"}
    hpc("delete", "-y", jobid)
    hpc("show", jobid, expect=66)


def test_submit_and_wait_ends_like_the_job(hpc: Hpc, tmp_path: Path) -> None:
    words = ("--", "sh", "-c", "echo 'two  blanks' > said; exit 9")
    done = hpc("submit", "--image", IMAGE, "--wait", "--download", tmp_path, *words, expect=9)
    assert (tmp_path / "said").read_text() == "two  blanks\n", "words arrive as they were typed"
    assert done.stdout.strip().startswith("job_")
    hpc("clone", done.stdout.strip(), "--wait", expect=9)


def test_refusals(hpc: Hpc, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = hpc("submit", "--image", IMAGE, "-p", "nowhere", "--", "true", expect=65)
    assert "invalid partition" in str(refused.exception).lower()
    assert "It stays, as FAILED" in refused.stderr
    jobid = refused.stderr.split()[-1]
    monkeypatch.setattr(cli_jobs.out, "width", 120)
    header, *lines = hpc("ls", "--search", "busybox").stdout.splitlines()
    assert header.split() == ["Job", "Name", "State", "Slurm", "Created", "Ran", "Reason"]
    assert all(line.startswith("job_") for line in lines), "a line for each job, whatever Slurm said"
    assert any(line.startswith(jobid) and "FAILED" in line for line in lines)
    hpc("delete", "-y", jobid)
    jobid = hpc("submit", "--image", IMAGE, "--no-launch", "-l", "project=ice").stdout.strip()
    header, line = hpc("ls", "-l", "project=ice").stdout.splitlines()
    assert header.split()[-2:] == ["Labels", "Reason"]
    assert line.split()[-1] == "project=ice"
    hpc("delete", "-y", jobid)
    hpc("submit", "--image", IMAGE, "-l", "no value", "--", "true", expect=65)
    assert "Allowed:" in str(hpc("submit", "--image", "/etc/passwd", "--", "true", expect=65).exception)
    hpc("submit", "--image", IMAGE, "--time", "soon", "--", "true", expect=65)
    hpc("submit", "--image", IMAGE, "--env", "novalue", "--", "true", expect=65)
    hpc("submit", "--image", IMAGE, "--account", "two words", "--", "true", expect=65)
    hpc("get", "last", "nothing", expect=66)


def test_a_dry_run_leaves_nothing_behind(hpc: Hpc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in.txt").write_text("not sent")
    submit = ("submit", "--image", IMAGE, "--name", "asked about", "-u", tmp_path / "in.txt")
    words = hpc(*submit, "--dry-run", "--", "true").stdout
    assert re.fullmatch(r"Slurm would start it at [-0-9: ]{19} on c\d in partition debug\.\n", words)
    assert json.loads(hpc(*submit, "--dry-run", "--json", "--", "true").stdout)["partition"] == "debug"
    refused = hpc(*submit, "--dry-run", "--mem", "100T", "--", "true", expect=65)
    assert isinstance(refused.exception, SubmitRefused)
    hpc(*submit, "--dry-run", "--wait", "--", "true", expect=2)
    assert hpc("ls", "--search", "asked about").stdout == "No jobs.\n"

    def away(_job: Job) -> None:
        raise ClusterUnavailable("The cluster is away.")

    with monkeypatch.context() as patched:
        patched.setattr(Job, "delete", away)
        left = hpc(*submit, "--dry-run", "--", "true").stderr
    assert "stays, as CREATED" in left
    (jobid,) = re.findall("job_[0-9a-f]{32}", left)
    assert f"{jobid} Slurm would start it at" in hpc("launch", "--dry-run", jobid).stdout
    assert json.loads(hpc("launch", "--dry-run", "--json", jobid).stdout)[0]["words"]
    assert json.loads(hpc("show", jobid, "--json").stdout)["state"] == "CREATED"
    hpc("delete", "-y", jobid)


def test_the_shell_completes_the_ids_of_jobs(hpc: Hpc, environment: dict[str, str], scientist: HpcGateway) -> None:
    jobid = scientist.new_job("completed", IMAGE).id
    asked = {"_HPC_COMPLETE": "complete_bash", "COMP_WORDS": f"hpc show {jobid[:-4]}", "COMP_CWORD": "2"}
    command = [Path(sys.executable).with_name("hpc")]
    done = subprocess.run(
        command, env={**environment, **asked}, capture_output=True, text=True, timeout=60, check=False
    )
    assert jobid in done.stdout.split()
    assert not done.stderr
    hpc("delete", "-y", jobid)


def test_ctrl_c_leaves_the_job_running_and_says_how_to_come_back(
    hpc: Hpc, environment: dict[str, str], scientist: HpcGateway
) -> None:
    command = [sys.executable, "-m", "gql_gateway.sdk.cli", "submit", "--image", IMAGE, "--wait"]
    with subprocess.Popen(
        [*command, "--", "echo alive; sleep 60"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A suite that runs in the background of a shell passes on that SIGINT is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - nothing else is done there
    ) as process:
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        jobid, words = interrupted_while_running(process)
        watchdog.cancel()
    assert process.returncode == 130
    assert f"hpc wait {jobid}" in words
    assert "Traceback" not in words
    job = scientist.job(jobid)
    assert job.state is JobState.RUNNING
    assert "alive" in hpc("logs", jobid).stdout
    hpc("cancel", jobid)
    hpc("wait", jobid, expect=143)


def interrupted_while_running(process: subprocess.Popen[str]) -> tuple[str, str]:
    assert process.stdout
    assert process.stderr
    jobid = process.stdout.readline().strip()
    while "RUNNING" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    return jobid, process.communicate()[1]
