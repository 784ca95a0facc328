"""Folders of jobs as tar files, on signed URLs, streamed as they are read on the cluster."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import structlog
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from gql_gateway.core.errors import Refused
from gql_gateway.services.contents import Contents
from gql_gateway.web.files import SAFE, disposition
from gql_gateway.web.signing import Access, Signer

log = structlog.get_logger()


class ArchiveRoutes:
    """The route under /archives/."""

    def __init__(self, signer: Signer, contents: Contents) -> None:
        self._signer = signer
        self._contents = contents
        self.routes = (Route("/archives/{signed}", self.read, methods=["GET", "HEAD"]),)

    async def read(self, request: Request) -> Response:
        """Send a folder. How long it will be nobody knows before."""
        permission = self._signer.check(request.path_params["signed"], Access.ARCHIVE)
        archive = await self._contents.archive(permission.identity, permission.job_id, permission.path)
        stack = AsyncExitStack()
        chunks = await stack.enter_async_context(archive.opening)
        saved_as = disposition(f"{archive.name}.tar")
        headers = {**SAFE, "Content-Type": "application/x-tar", "Content-Disposition": saved_as}
        if request.method == "HEAD":
            await stack.aclose()
            return Response(headers=headers)
        return _Streamed(chunks, stack, headers)


class _Streamed(StreamingResponse):
    """An answer that holds its source open until it is sent, or its reader has gone."""

    def __init__(self, chunks: AsyncIterator[bytes], stack: AsyncExitStack, headers: dict[str, str]) -> None:
        super().__init__(chunks, headers=headers)
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._stack:
            try:
                await super().__call__(scope, receive, send)
            except Refused as refused:
                # The head is sent already. Without an end the server cuts the connection, and the client sees that.
                log.warning("archive broke off", error=str(refused))
