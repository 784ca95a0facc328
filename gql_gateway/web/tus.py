"""Uploads that may be cut and continued: the tus protocol 1.0 (https://tus.io) on a signed URL.

The URL is that of an upload which `createUpload` began; from there on it is tus, with its extensions checksum,
expiration and termination. A header of our own, `Upload-Hold: true`, is for clients that learn a file's digest only
while they send it: what the request makes whole does not appear under its name, the answer has its `Repr-Digest`
(RFC 9530), and an empty PATCH without the header lets it appear, or DELETE gives it up.
"""

import asyncio
import base64
import binascii
import hashlib
import hmac
from collections.abc import AsyncIterator, Mapping
from email.utils import formatdate
from http import HTTPStatus

import structlog
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gql_gateway.cluster.parts import PartState
from gql_gateway.core.errors import BadRequest, ErrorCode, Fault, refuse
from gql_gateway.core.identity import Identity
from gql_gateway.services.uploads import Ticket, Uploads
from gql_gateway.web.files import repr_digest
from gql_gateway.web.tickets import TicketSigner

log = structlog.get_logger()

VERSION = "1.0.0"
REQUEST_HEADERS = ("Tus-Resumable", "Upload-Offset", "Upload-Checksum", "Upload-Hold")
ANSWER_HEADERS = ("Tus-Resumable", "Upload-Offset", "Upload-Length", "Upload-Expires", "Repr-Digest")
_CONTENT_TYPE = "application/offset+octet-stream"
_ALGORITHMS = ("sha256", "sha1")
_SILENCE = 120.0
"""Seconds without a byte after which a request counts as cut; the upload is free for the next one then."""
_CHECKSUM_MISMATCH = 460
_REFUSALS: Mapping[PartState, tuple[int, str, str]] = {
    PartState.BUSY: (HTTPStatus.LOCKED, "CONFLICT", "Another request adds to this upload just now."),
    PartState.ELSEWHERE: (HTTPStatus.CONFLICT, "CONFLICT", "The upload does not stand at this offset."),
    PartState.MISMATCH: (
        _CHECKSUM_MISMATCH,
        "CHECKSUM_MISMATCH",
        "What arrived has another SHA-256 than what was announced, and was dropped.",
    ),
}


class UnknownVersion(Fault):
    """The request speaks another version of tus."""

    code = "BAD_REQUEST"
    status = 412


class WrongType(Fault):
    """The request's body is of another type."""

    code = "BAD_REQUEST"
    status = 415


class ChecksumMismatch(Fault):
    """The body has another checksum than its header says; nothing of it was kept."""

    code = "CHECKSUM_MISMATCH"
    status = _CHECKSUM_MISMATCH


class TusRoutes:
    """The routes under /uploads/. `largest` is the size in bytes of the largest file."""

    def __init__(self, signer: TicketSigner, uploads: Uploads, largest: int) -> None:
        self._signer = signer
        self._uploads = uploads
        self._largest = largest
        path, middleware = "/uploads/{signed}", [Middleware(_Tus)]
        self.routes = (
            Route(path, self.options, methods=["OPTIONS"], middleware=middleware),
            Route(path, self.head, methods=["HEAD"], middleware=middleware),
            Route(path, self.patch, methods=["PATCH"], middleware=middleware, max_body_size=largest),
            Route(path, self.delete, methods=["DELETE"], middleware=middleware),
        )

    async def options(self, _: Request) -> Response:
        """What this server can do."""
        told = {
            "Tus-Version": VERSION,
            "Tus-Extension": "checksum,expiration,termination",
            "Tus-Checksum-Algorithm": ",".join(_ALGORITHMS),
            "Tus-Max-Size": str(self._largest),
        }
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=told)

    async def head(self, request: Request) -> Response:
        """How far the upload got."""
        identity, ticket = self._open(request)
        progress = await self._uploads.progress(identity, ticket)
        headers = {**_where(ticket, progress.offset), "Upload-Length": str(ticket.part.size)}
        return Response(status_code=HTTPStatus.OK, headers=headers)

    async def patch(self, request: Request) -> Response:
        """Go on with the upload; what came before a cut counts."""
        identity, ticket = self._open(request)
        offset = _offset(request, ticket)
        checksum = _Checksum.of(request)
        hold = request.headers.get("upload-hold") == "true"
        try:
            progress = await self._uploads.append(
                identity, ticket, offset, checksum.over(_heard(request)), atomic=checksum.wanted, hold=hold
            )
        except ClientDisconnect:
            log.info("upload was cut", job=ticket.job_id)
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        if progress.state in _REFUSALS:
            return _refusal(request, progress.state)
        headers = _where(ticket, progress.offset)
        if progress.sha256:
            headers["Repr-Digest"] = repr_digest(bytes.fromhex(progress.sha256))
        return Response(status_code=HTTPStatus.NO_CONTENT, headers=headers)

    async def delete(self, request: Request) -> Response:
        """Give the upload up."""
        await self._uploads.drop(*self._open(request))
        return Response(status_code=HTTPStatus.NO_CONTENT)

    def _open(self, request: Request) -> tuple[Identity, Ticket]:
        if request.headers.get("tus-resumable") != VERSION:
            raise UnknownVersion(f"The header Tus-Resumable must be {VERSION}.")
        return self._signer.read(request.path_params["signed"])


class _Tus:
    """Says on every answer which version of tus it is, errors too."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Tus-Resumable"] = VERSION
                headers["Cache-Control"] = "no-store"
                if message["status"] >= HTTPStatus.BAD_REQUEST:
                    # The body may be unread, and uvicorn 0.54 takes what is left of it for the next request.
                    headers["Connection"] = "close"
                if message["status"] == HTTPStatus.PRECONDITION_FAILED:
                    headers["Tus-Version"] = VERSION
            await send(message)

        await self._app(scope, receive, sending)


class _Checksum:
    """What a body's bytes must come out at, where the request says so."""

    def __init__(self, algorithm: str | None = None, digest: bytes = b"") -> None:
        self._algorithm = algorithm
        self._digest = digest

    @classmethod
    def of(cls, request: Request) -> "_Checksum":
        """The one in the header `Upload-Checksum`: an algorithm's name, a space, Base64."""
        if (said := request.headers.get("upload-checksum")) is None:
            return cls()
        algorithm, _, digest = said.partition(" ")
        if algorithm not in _ALGORITHMS:
            raise BadRequest(f"Upload-Checksum: the algorithms are {', '.join(_ALGORITHMS)}.")
        try:
            return cls(algorithm, base64.b64decode(digest, validate=True))
        except binascii.Error:
            raise BadRequest("Upload-Checksum: behind the algorithm there must be Base64.") from None

    @property
    def wanted(self) -> bool:
        return self._algorithm is not None

    async def over(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same bytes.

        Raises:
            ChecksumMismatch: at their end.
        """
        found = hashlib.new(self._algorithm or _ALGORITHMS[0], usedforsecurity=False)
        async for chunk in chunks:
            if self.wanted:
                found.update(chunk)
            yield chunk
        if self.wanted and not hmac.compare_digest(found.digest(), self._digest):
            raise ChecksumMismatch("The body has another checksum than Upload-Checksum says; nothing of it was kept.")


async def _heard(request: Request) -> AsyncIterator[bytes]:
    """The body as it arrives.

    Raises:
        ClientDisconnect: the client went away, or said nothing for too long.
    """
    stream = aiter(request.stream())
    while True:
        try:
            async with asyncio.timeout(_SILENCE):
                chunk = await anext(stream, None)
        except TimeoutError:
            raise ClientDisconnect from None
        if chunk is None:
            return
        yield chunk


def _offset(request: Request, ticket: Ticket) -> int:
    if request.headers.get("content-type") != _CONTENT_TYPE:
        raise WrongType(f"The content type must be {_CONTENT_TYPE}.")
    said = request.headers.get("upload-offset", "")
    if not (said.isascii() and said.isdigit() and len(said) <= 18):  # noqa: PLR2004 - 2^53 has 16 digits
        raise BadRequest("The header Upload-Offset must be the number of bytes that the upload has.")
    offset, size = int(said), ticket.part.size
    if offset + int(request.headers.get("content-length", "0")) > size:
        raise refuse(ErrorCode.FILE_TOO_LARGE, f"The upload was announced with {size} bytes; this would be more.")
    return offset


def _where(ticket: Ticket, offset: int) -> dict[str, str]:
    return {"Upload-Offset": str(offset), "Upload-Expires": formatdate(ticket.expires, usegmt=True)}


def _refusal(request: Request, state: PartState) -> Response:
    status, code, message = _REFUSALS[state]
    error = {"code": code, "message": message, "requestId": request.scope["state"]["request_id"]}
    return JSONResponse({"error": error}, status)
