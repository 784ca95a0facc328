"""The command line as an operator uses it: what it prints where, and its status."""

import gc
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from gql_gateway.cli import app
from gql_gateway.store import migrations
from slurm_site import SlurmSite
from tests.store.postgresql import Server, running

# A command's event loop ends with it; what a lost race left open there (asyncssh's socket) the end of a process closes.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")
PROJECT = Path(__file__).parent.parent
Call = Callable[..., Any]


@pytest.fixture(scope="module")
def config(site: SlurmSite, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("cli") / "gateway.toml"
    file.write_text(f"""
[[clusters]]
name = "local"
host = "{site.host}"
port = {site.port}
username = "{site.username}"
private_key = "{site.private_key}"
known_hosts = "{site.known_hosts}"
root = "{site.root}"
connect_timeout = 3
""")
    return file


@pytest.fixture
def call(config: Path) -> Iterator[Call]:
    """Run a command here, with the configuration and more variables by keyword: `clusters__0__port="1"`."""

    def run(*arguments: str, **variables: str) -> Any:
        return CliRunner().invoke(app, arguments, env=_environ(config, variables))

    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield run
    gc.collect()
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@pytest.fixture
def process(config: Path) -> Call:
    """The same in a process of its own, as a shell starts it."""

    def run(*arguments: str, **variables: str) -> Any:
        command = [sys.executable, "-m", "gql_gateway.cli", *arguments]
        environ = os.environ | _environ(config, variables)
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=100, check=False)

    return run


def _environ(config: Path, variables: dict[str, str]) -> dict[str, str]:
    more = {f"GQL_GATEWAY__{name.upper()}": value for name, value in variables.items()}
    return {"GQL_GATEWAY_CONFIG": str(config), "NO_COLOR": "1", "TERM": "dumb", **more}


def test_a_token_is_made_listed_and_revoked(call: Call) -> None:
    made = call("token", "create", "--email", "A.B@C.org", "--name", "A B", "--role", "admin", "--days", "7")
    assert made.exit_code == 0
    assert re.fullmatch(r"gqlgw_[A-Za-z0-9_-]{43}\n", made.stdout)
    (token_id,) = re.findall(r"Token (\w+) for A.B@c.org, until 20", made.stderr)
    (line,) = [line for line in call("token", "list").stdout.splitlines() if token_id in line]
    assert "A.B@c.org" in line
    assert "admin" in line
    assert "never" in line
    assert call("token", "revoke", token_id).exit_code == 0
    assert "revoked 20" in call("token", "list").stdout
    again = call("token", "revoke", token_id)
    assert (again.exit_code, again.stdout) == (1, "")
    assert "no token" in again.stderr


def test_as_a_process_it_prints_the_token_alone_and_keeps_things_private(process: Call, config: Path) -> None:
    made = process("token", "create", "--email", "a@b.org", "--name", "A", store__url="sqlite+aiosqlite:///own.db")
    assert (made.returncode, bool(re.fullmatch(r"gqlgw_[A-Za-z0-9_-]{43}\n", made.stdout))) == (0, True)
    kept = [file for file in config.parent.iterdir() if file.name.startswith("own.db")]
    assert kept
    assert {file.stat().st_mode & 0o077 for file in kept} == {0}


def test_migrate_says_what_it_did(call: Call) -> None:
    store = "sqlite+aiosqlite:///new.db"
    assert re.fullmatch(r"The store was at nothing, now \w+\.\n", call("migrate", store__url=store).stdout)
    assert re.fullmatch(r"The store is at \w+\.\n", call("migrate", store__url=store).stdout)


def test_no_address_is_a_line_and_no_traceback(call: Call) -> None:
    done = call("token", "create", "--email", "nobody", "--name", "x")
    assert (done.exit_code, done.stdout, done.stderr) == (1, "", "'nobody' is no e-mail address.\n")


@pytest.mark.parametrize("command", [["serve"], ["migrate"], ["token", "list"], ["doctor"]])
def test_a_fault_in_the_configuration_is_a_line(call: Call, command: list[str]) -> None:
    done = call(*command, server__prot="1")
    said = done.stdout + done.stderr
    assert done.exit_code != 0
    assert "GQL_GATEWAY__SERVER__PROT: unknown key. Did you mean port?" in said
    assert "Traceback" not in said


def test_the_schema_is_the_committed_one(call: Call) -> None:
    assert call("schema").stdout == (PROJECT / "schema.graphql").read_text()


def test_the_settings_are_the_committed_page(call: Call) -> None:
    assert call("settings").stdout == (PROJECT / "docs" / "configuration.md").read_text()


@pytest.mark.parametrize("command", ["serve", "migrate", "schema", "settings", "doctor", "token create"])
def test_help_teaches(call: Call, command: str) -> None:
    done = call(*command.split(), "--help")
    assert (done.exit_code, "Usage:" in done.stdout) == (0, True)
    assert f" {command} " in f" {done.stdout} "


def test_doctor_on_a_site_that_is_well(call: Call) -> None:
    call("migrate")
    done = call("doctor")
    assert done.exit_code == 0, done.stdout
    signs = [line[0] for line in done.stdout.splitlines()]
    assert signs == ["✓"] * 7, done.stdout
    assert re.search(r"Slurm: \d\d\.\d\d\.\d+, partitions debug", done.stdout)


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"clusters__0__port": "1"}, "✗ local: SSH and Python: 127.0.0.1:1 cannot be reached"),
        ({"clusters__0__username": "nobody"}, "✗ local: SSH and Python: "),
        ({"clusters__0__python": "python9"}, "python9: not found"),
        ({"clusters__0__root": "/opt"}, "✗ local: root folder: The root folder /opt does not belong"),
        ({"clusters__0__root": "/nothing/here"}, "✗ local: root folder: "),
        ({"store__url": "postgresql+asyncpg://u@127.0.0.1:1/d"}, "✗ database: "),
    ],
)
def test_doctor_names_what_is_wrong(call: Call, variables: dict[str, str], said: str) -> None:
    done = call("doctor", **variables)
    assert done.exit_code == 1
    assert said in done.stdout
    assert "→" in done.stdout


def test_doctor_tells_a_wrong_host_key(call: Call, config: Path, site: SlurmSite) -> None:
    key = config.parent / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key], check=True)
    kind, other, *_ = key.with_suffix(".pub").read_text().split()
    (config.parent / "wrong_hosts").write_text(f"[{site.host}]:{site.port} {kind} {other}\n")
    done = call("doctor", clusters__0__known_hosts="wrong_hosts")
    assert done.exit_code == 1
    assert "host key" in done.stdout


def test_doctor_warns_of_what_can_be_missed(call: Call) -> None:
    done = call("doctor", clusters__0__container="/usr/bin/nothing")
    assert done.exit_code == 0
    assert "! local: container: " in done.stdout


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Server]:
    with running() as server:
        yield server


def test_a_postgresql_store_that_is_behind_is_not_touched(call: Call, postgresql: Server) -> None:
    store = postgresql.url("postgres")
    for command in (["serve"], ["token", "list"]):
        done = call(*command, store__url=store)
        assert done.exit_code == 1
        assert "gql-gateway migrate" in done.stderr
        assert "Traceback" not in done.stderr
    assert "→ Run `gql-gateway migrate`." in call("doctor", store__url=store).stdout
    migrations.upgrade(store)
    assert call("migrate", store__url=store).stdout.startswith("The store is at ")
    made = call("token", "create", "--email", "a@b.org", "--name", "A", store__url=store)
    assert made.exit_code == 0, made.stderr


def test_serve_says_when_its_port_is_taken(process: Call, site: SlurmSite) -> None:
    done = process("serve", server__port=str(site.port), logging__format="json")
    assert done.returncode != 0
    events = [json.loads(line)["event"] for line in done.stderr.splitlines()]
    assert any("address already in use" in event for event in events)
