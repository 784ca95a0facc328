"""Folders of jobs as tar files, on signed URLs, streamed as they are read on the cluster."""

from contextlib import AsyncExitStack

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from gql_gateway.services.contents import Contents
from gql_gateway.web.files import SAFE, Streamed, disposition
from gql_gateway.web.signing import Access, Signer


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
        return Streamed(chunks, stack, headers)
