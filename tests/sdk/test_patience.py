"""Lost connections are tried again, but not for ever."""

import time

import pytest

from gql_gateway.sdk.errors import ConnectionLost
from gql_gateway.sdk.patience import Patience


async def test_no_patience_raises_at_once() -> None:
    loss = ConnectionLost("cut")
    with pytest.raises(ConnectionLost) as raised:
        await Patience(0).after(loss)
    assert raised.value is loss


async def lose_for_ever(patience: Patience, reached: int = 0) -> None:
    for _ in range(100):
        patience.reached(reached)
        await patience.after(ConnectionLost("cut"))


async def test_patience_ends_within_its_time() -> None:
    patience = Patience(1.0)
    began = time.monotonic()
    with pytest.raises(ConnectionLost):
        await lose_for_ever(patience)
    assert 0.2 <= time.monotonic() - began <= 2.0


async def test_progress_renews_it() -> None:
    patience = Patience(0.3)
    for _ in range(4):
        patience.progress()
        await patience.after(ConnectionLost("cut"))


async def test_only_more_than_ever_is_progress() -> None:
    with pytest.raises(ConnectionLost):
        await lose_for_ever(Patience(1.0), reached=10)
