"""An event loop in a thread of its own, in which callers of the synchronous client run its coroutines."""

import asyncio
import threading
import weakref
from collections.abc import AsyncGenerator, Coroutine, Iterator
from typing import Any, TypeVar

_T = TypeVar("_T")


class Portal:
    """Runs coroutines for any thread, also where an event loop runs already (a notebook)."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=_run, args=(self._loop,), name="gql-gateway", daemon=True)
        self._thread.start()
        # Neither the thread nor the finalizer holds the portal, so that forgetting the client ends the thread.
        self.close = weakref.finalize(self, _stop, self._loop, self._thread)

    def call(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        """The coroutine's result; Ctrl-C here cancels it there.

        Raises:
            RuntimeError: called from a progress callback, which would wait for itself.
        """
        if threading.current_thread() is self._thread:
            coroutine.close()
            raise RuntimeError("The synchronous client cannot be called from its own callbacks.")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return future.result()
        finally:
            future.cancel()

    def iterate(self, stream: AsyncGenerator[_T, None]) -> Iterator[_T]:
        """The stream's items; leaving the loop closes the stream."""
        try:
            while True:
                yield self.call(_next(stream))
        except StopAsyncIteration:
            return
        finally:
            # Not waited for: a generator may be dropped in any thread, also in the portal's own.
            if self.close.alive:
                asyncio.run_coroutine_threadsafe(_close(stream), self._loop)


async def _close(stream: AsyncGenerator[_T, None]) -> None:
    await stream.aclose()


async def _next(stream: AsyncGenerator[_T, None]) -> _T:
    return await stream.__anext__()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        loop.run_until_complete(_wind_down())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


async def _wind_down() -> None:
    tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    loop.call_soon_threadsafe(loop.stop)
    if thread is not threading.current_thread():
        thread.join(timeout=10)
