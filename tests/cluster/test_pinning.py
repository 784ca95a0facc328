"""The pin of a key: what the gateway asks for passes; the line for authorized_keys reads as it is meant."""

import re
import shlex
from datetime import UTC, datetime
from pathlib import Path

import asyncssh
import pytest

from gql_gateway.cluster import container, slurm, slurm_cluster, slurm_usage
from gql_gateway.cluster.agent.pin import Pin
from gql_gateway.cluster.agent.wire import Wrong
from gql_gateway.cluster.config import ClusterConfig
from gql_gateway.cluster.pinning import authorized_key
from gql_gateway.core.errors import ClusterUnavailable
from gql_gateway.core.ids import new_id

CONTAINER = "/opt/tools/bin/apptainer"
PIN = Pin("/opt/agent.py", ["root=/scratch/gateway", f"container={CONTAINER}", "slurm_path=/opt/slurm/bin"])
NOW = datetime.now(UTC)
IDS = [new_id() for _ in range(250)]


def test_what_the_gateway_runs_is_let_through() -> None:
    commands = [
        slurm.sbatch(IDS[0]), slurm_usage.sbatch_test(IDS[0]), slurm.squeue(), slurm.squeue_by_name(IDS[0]),
        *slurm.sacct(IDS, NOW), slurm_usage.sacct_usage(IDS[:100], NOW), slurm.scancel("123"),
        slurm.scancel("123", only_waiting=True), slurm_cluster.sinfo(), slurm_cluster.ping(), slurm_cluster.version(),
        container.help_command(CONTAINER), container.version_command(CONTAINER),
    ]  # fmt: skip
    for argv in commands:
        PIN.check({"op": "run", "argv": argv, "slurm_path": "/opt/slurm/bin"})


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"op": "run", "argv": ["squeue", "--me"], "slurm_path": ""}, "slurm_path = '/opt/slurm/bin'"),
        ({"op": "run", "argv": ["sh"], "slurm_path": "/opt/slurm/bin"}, "sh was not run"),
        ({"op": "run", "argv": ["apptainer", "--version"], "slurm_path": "/opt/slurm/bin"}, CONTAINER),
        ({"op": "list", "root": "/scratch", "parts": []}, "root folder /scratch/gateway"),
        ({"op": "list", "root": "/scratch/gateway", "parts": [[".."]]}, "below the root folder"),
    ],
)
def test_what_is_refused_is_told_with_what_is_allowed(fields: dict[str, object], words: str) -> None:
    with pytest.raises(Wrong, match=re.escape(words)):
        PIN.check(fields)


def test_a_line_of_authorized_keys_keeps_every_word(tmp_path: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519", "gateway")
    key.write_private_key(tmp_path / "key")
    config = ClusterConfig(
        "c", "h", 22, "u", tmp_path / "key", tmp_path, "/scratch/g", container='/opt/a b"c\\d', python="/usr/bin/py 3"
    )

    line = authorized_key(config, "/opt/agent.py")

    # sshd takes `\"` for a quote and every other backslash as it is; a shell reads the rest.
    found = re.fullmatch(r'restrict,command="((?:\\"|[^"])*)" (ssh-ed25519 \S+) gateway', line)
    assert found
    words = shlex.split(found[1].replace('\\"', '"'))
    python, *_, file, root, container_, slurm_path = words
    assert (python, file, root) == ("/usr/bin/py 3", "/opt/agent.py", "root=/scratch/g")
    assert (container_, slurm_path) == ('container=/opt/a b"c\\d', "slurm_path=")
    assert found[2] == key.export_public_key().decode().rsplit(" ", 1)[0]


def test_a_key_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    config = ClusterConfig("c", "h", 22, "u", tmp_path / "none", tmp_path, "/scratch/g")

    with pytest.raises(ClusterUnavailable, match="none cannot be read"):
        authorized_key(config, "/opt/agent.py")
