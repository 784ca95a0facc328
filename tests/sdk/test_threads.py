"""Blocking work in a thread: heard in the loop, ended when nobody waits."""

import asyncio
import threading

import pytest

from gql_gateway.sdk.threads import Abandoned, Tell, in_thread


async def test_what_is_told_is_heard_in_the_loop_and_in_order() -> None:
    heard: list[int] = []
    threads: set[threading.Thread] = set()

    def work(tell: Tell) -> str:
        threads.add(threading.current_thread())
        for far in range(100):
            tell(far)
        return "done"

    def hear(far: int) -> None:
        heard.append(far)
        threads.add(threading.current_thread())

    assert await in_thread(work, hear) == "done"
    assert heard == list(range(100))
    assert len(threads) == 2


async def test_its_errors_are_raised() -> None:
    def work(_: Tell) -> None:
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        await in_thread(work, lambda _: None)


@pytest.mark.parametrize("leave", ["cancelled", "a callback raises"])
async def test_it_ends_when_nobody_waits(leave: str) -> None:
    started, ended = asyncio.Event(), threading.Event()

    def work(tell: Tell) -> None:
        try:
            while not ended.wait(0.001):
                tell(1)
        except Abandoned:
            ended.set()

    def hear(_: int) -> None:
        started.set()
        if leave == "a callback raises":
            raise ZeroDivisionError

    waiting = asyncio.ensure_future(in_thread(work, hear))
    await started.wait()
    if leave == "cancelled":
        waiting.cancel()
    with pytest.raises((asyncio.CancelledError, ZeroDivisionError)):
        await waiting
    assert await asyncio.to_thread(ended.wait, 10)
