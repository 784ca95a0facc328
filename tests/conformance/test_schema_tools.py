"""Linters, generators and compilers of front ends, on schema.graphql: no site is needed."""

from pathlib import Path

import pytest

from tests.conformance.conftest import run

CHECKS = 11


@pytest.mark.usefixtures("packages")
def test_every_tool_takes_the_schema(subtests: pytest.Subtests) -> None:
    checks = run("schema")
    assert len(checks) == CHECKS
    for check in checks:
        with subtests.test(check.name):
            assert check.ok, check.detail


def test_the_lock_file_names_no_host() -> None:
    assert "resolved" not in (Path(__file__).parent / "package-lock.json").read_text()
