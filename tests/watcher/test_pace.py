"""Turns come one after the other, whoever takes them."""

from time import monotonic

from gql_gateway.watcher.pace import Pace


def test_the_first_turn_comes_at_once_and_each_further_one_a_gap_later() -> None:
    pace, began = Pace(10), monotonic()
    assert pace.is_free
    waits = [pace.turn() for _ in range(20)]
    took = monotonic() - began
    assert not pace.is_free
    assert waits[0] == 0
    assert 1.9 - took <= waits[-1] <= 1.9
    assert waits == sorted(waits)
