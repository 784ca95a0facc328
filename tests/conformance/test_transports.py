"""Suites and clients that others wrote, against the gateway: HTTP, WebSocket, events, uploads, Apollo and urql."""

import pytest

from tests.conformance.conftest import Suite

SUITES = {"http": 62, "sockets": 44, "events": 17, "clients": 11, "uploads": 34}
"""Each with the number of its checks, so that none gets lost."""


@pytest.mark.parametrize("name", SUITES)
def test_every_check_of_a_suite_is_good(suite: Suite, name: str, subtests: pytest.Subtests) -> None:
    checks = suite(name)
    assert len(checks) == SUITES[name]
    for check in checks:
        with subtests.test(check.name):
            assert check.ok, check.detail
