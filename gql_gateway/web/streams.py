"""Results that come one after the other for as long as their reader's token is good."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from graphql import GraphQLError
from strawberry.types import ExecutionResult

from gql_gateway.api.context import Context
from gql_gateway.api.errors import present
from gql_gateway.core.errors import Fault
from gql_gateway.web.vigil import Over, Vigil


async def while_valid(results: AsyncGenerator[Any, None], context: Context, vigil: Vigil) -> AsyncGenerator[Any, None]:
    """Pass results on until there are no more, or the token stops working or the gateway ends: that is told last."""
    async with aclosing(results):
        if context.identity is None or context.token is None:
            async for result in results:
                yield result
            return
        with vigil.watch(context.token, context.identity) as over:
            while True:
                try:
                    result = await _next(results, over)
                except StopAsyncIteration:
                    return
                except TimeoutError:
                    yield _last(over.result(), context)
                    return
                yield result


async def _next(results: AsyncGenerator[Any, None], over: Over) -> Any:
    """The next result.

    Raises:
        TimeoutError: the stream is to end first.
    """
    async with asyncio.timeout(None) as bound:

        def _now(_: Over) -> None:
            bound.reschedule(asyncio.get_running_loop().time())

        over.add_done_callback(_now)
        try:
            return await anext(results)
        finally:
            over.remove_done_callback(_now)


def _last(cause: Fault, context: Context) -> ExecutionResult:
    error = present(GraphQLError(str(cause), original_error=cause), context.request_id)
    return ExecutionResult(data=None, errors=[error])
