"""Results that come one after the other for as long as their reader's token is good."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

from graphql import GraphQLError
from strawberry.types import ExecutionResult

from gql_gateway.api.context import Context
from gql_gateway.api.errors import present
from gql_gateway.core.errors import Unauthenticated


async def while_valid(results: AsyncGenerator[Any, None], context: Context) -> AsyncGenerator[Any, None]:
    """Pass results on until there are no more or the token expires, which is told as the last one."""
    expires_at = context.caller.expires_at if context.identity else None
    async with aclosing(results):
        while True:
            left = None if expires_at is None else (expires_at - datetime.now(UTC)).total_seconds()
            try:
                async with asyncio.timeout(left):
                    result = await anext(results)
            except StopAsyncIteration:
                return
            except TimeoutError:
                cause = Unauthenticated("The token has expired.")
                error = present(GraphQLError(str(cause), original_error=cause), context.request_id)
                yield ExecutionResult(data=None, errors=[error])
                return
            yield result
