"""The thread behind the synchronous client: results, errors and streams cross over, and it ends with its owner."""

import asyncio
import gc
import threading
from collections.abc import AsyncGenerator, Iterator

import pytest

from gql_gateway.sdk.portal import Portal


@pytest.fixture
def portal() -> Iterator[Portal]:
    made = Portal()
    yield made
    made.close()


def test_results_and_errors(portal: Portal) -> None:
    async def answer() -> str:
        return threading.current_thread().name

    async def fail() -> None:
        raise LookupError("words")

    assert portal.call(answer()) == "gql-gateway"
    with pytest.raises(LookupError, match="words"):
        portal.call(fail())


async def test_it_works_where_a_loop_runs_already(portal: Portal) -> None:
    assert portal.call(asyncio.sleep(0, "done")) == "done"


def test_leaving_a_stream_closes_it(portal: Portal) -> None:
    closed = threading.Event()

    async def count() -> AsyncGenerator[int, None]:
        try:
            for number in range(1000):
                yield number
        finally:
            closed.set()

    for number in portal.iterate(count()):
        if number == 3:
            break
    assert closed.wait(5)


def test_a_stream_ends_and_an_error_in_it_arrives(portal: Portal) -> None:
    async def two(*, fail: bool) -> AsyncGenerator[int, None]:
        yield 1
        yield 2
        if fail:
            raise LookupError("third")

    assert list(portal.iterate(two(fail=False))) == [1, 2]
    with pytest.raises(LookupError, match="third"):
        list(portal.iterate(two(fail=True)))


def test_a_call_from_its_own_thread_is_refused_and_does_not_hang(portal: Portal) -> None:
    async def call_back() -> None:
        portal.call(asyncio.sleep(0))

    with pytest.raises(RuntimeError, match="callbacks"):
        portal.call(call_back())


def test_many_threads(portal: Portal) -> None:
    results: list[int] = []
    threads = [threading.Thread(target=lambda n=n: results.append(portal.call(asyncio.sleep(0, n)))) for n in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(results) == list(range(50))


def test_a_forgotten_portal_ends_its_thread_and_cancels_what_runs() -> None:
    before = set(threading.enumerate())
    portal = Portal()
    (thread,) = set(threading.enumerate()) - before
    cancelled = threading.Event()

    async def last() -> None:
        async def wait() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        task = asyncio.ensure_future(wait())
        kept.append(task)
        await asyncio.sleep(0)

    kept: list[asyncio.Future[None]] = []
    portal.call(last())
    del portal
    gc.collect()
    thread.join(5)
    assert not thread.is_alive()
    assert cancelled.is_set()
