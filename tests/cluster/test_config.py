"""What a cluster's configuration may say."""

from pathlib import Path

import pytest

from gql_gateway.cluster.config import ClusterConfig

GOOD: dict[str, object] = {
    "name": "local",
    "host": "login.example.org",
    "port": 22,
    "username": "hpcgw",
    "private_key": Path("id"),
    "known_hosts": Path("known_hosts"),
    "root": "/scratch/hpc_gw-1.x",
}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("name", "two words", "name must be"),
        ("host", "", "host is empty"),
        ("port", 0, "port must be"),
        ("username", "", "username is empty"),
        ("root", "relative", "root must be"),
        ("root", "/", "root must be"),
        ("root", "/scratch/../etc", "root must be"),
        ("root", "/scratch/$HOME", "root must be"),
        ("root", "/scratch/with space", "root must be"),
        ("root", "/scratch/", "root must be"),
        ("max_sessions", 1, "max_sessions must be"),
        ("bulk_connections", 0, "bulk_connections must be"),
        ("slurm_path", "bin", "slurm_path must be"),
        ("submit_timeout", 0.0, "times must be"),
    ],
)
def test_a_wrong_key_is_named(key: str, value: object, words: str) -> None:
    with pytest.raises(ValueError, match=f"cluster '.*': {words}"):
        ClusterConfig(**{**GOOD, key: value})  # type: ignore[arg-type]  # wrong on purpose


def test_half_of_the_sessions_are_used_and_at_least_one() -> None:
    assert [ClusterConfig(**{**GOOD, "max_sessions": most}).channels for most in (2, 3, 10)] == [1, 1, 5]  # type: ignore[arg-type]
