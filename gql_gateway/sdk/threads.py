"""Blocking work of a transfer in a thread of its own; how far it is, is heard in the event loop.

docs/decisions/0080-transfers-in-threads.md says why.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import TypeVar

_T = TypeVar("_T")

Tell = Callable[[int], None]
"""Called by the work with how far it is; raises `Abandoned` when nobody waits for it any more."""


class Abandoned(Exception):
    """Nobody waits for the work any more."""


async def in_thread(work: Callable[[Tell], _T], heard: Callable[[int], None]) -> _T:
    """The result of `work`; what it tells is passed to `heard`, here and in its order.

    Leaving early ends the work when it tells the next time. The thread is a daemon: one that waits for a silent gateway
    does not hold up the end of the program.
    """
    loop = asyncio.get_running_loop()
    news: asyncio.Queue[int | None] = asyncio.Queue()
    result: Future[_T] = Future()
    abandoned = threading.Event()

    def tell(far: int) -> None:
        if abandoned.is_set():
            raise Abandoned
        loop.call_soon_threadsafe(news.put_nowait, far)

    def run() -> None:
        try:
            result.set_result(work(tell))
        except BaseException as error:  # noqa: BLE001 - raised again where the result is waited for
            result.set_exception(error)
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(news.put_nowait, None)

    threading.Thread(target=run, name="gql-gateway transfer", daemon=True).start()
    try:
        while (far := await news.get()) is not None:
            heard(far)
        return result.result()
    finally:
        abandoned.set()
