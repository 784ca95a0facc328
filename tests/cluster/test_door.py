"""Who waits after a failed login: the account whose key is at fault, and everybody where the host is."""

import asyncssh
import pytest

from gql_gateway.cluster import door
from gql_gateway.cluster.door import Door, Host
from gql_gateway.core.errors import ClusterUnavailable


def shut(account: Door) -> str | None:
    """What keeps an account from connecting."""
    try:
        account.check()
    except ClusterUnavailable as unavailable:
        return str(unavailable)
    return None


@pytest.fixture
def known() -> Door:
    """An account that has logged in before."""
    account = Door(Host())
    account.opened()
    return account


def test_a_host_that_is_away_is_away_for_all(known: Door) -> None:
    other = Door(known.host)
    other.failed(TimeoutError(), "It did not answer.")
    assert shut(known) == shut(other) == "It did not answer."


def test_a_refused_key_keeps_out_its_account_and_for_a_moment_those_that_never_got_in(known: Door) -> None:
    refused, stranger = Door(known.host), Door(known.host)
    refused.failed(asyncssh.PermissionDenied(""), "It refuses the key.")
    assert shut(refused) == "It refuses the key."
    assert shut(stranger) == door.OTHERS_REFUSED
    assert shut(known) is None
    assert refused.wait.until > refused.host.refusal.until


@pytest.mark.parametrize("fault", [FileNotFoundError(2, "none", "key"), asyncssh.KeyImportError("no key")])
def test_a_key_that_cannot_be_read_is_its_account_s_own_trouble(known: Door, fault: Exception) -> None:
    careless, stranger = Door(known.host), Door(known.host)
    careless.failed(fault, "No key.")
    assert (shut(careless), shut(stranger), shut(known)) == ("No key.", None, None)


def test_waits_grow_and_are_forgotten_with_the_first_that_gets_in(known: Door) -> None:
    for _ in range(8):
        known.failed(ConnectionRefusedError(), "Refused.")
    assert known.host.wait.failures == 8
    known.opened()
    assert known.host.wait.failures == 0


def test_a_door_that_is_shut_stays_so(known: Door) -> None:
    known.shut()
    assert shut(known) == "The gateway is shutting down."
    assert shut(Door(known.host)) is None
