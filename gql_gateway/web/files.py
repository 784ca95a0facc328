"""Bytes of a job's files over plain HTTP, on signed URLs: GET and HEAD with Range, and PUT. All of it streams."""

import base64
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from http import HTTPStatus
from mimetypes import MimeTypes
from urllib.parse import quote

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from gql_gateway.cluster.files import Download, FileEntry, FileKind
from gql_gateway.core.errors import ErrorCode, Refused, refuse
from gql_gateway.services.contents import Contents
from gql_gateway.services.files import Files
from gql_gateway.services.jobs import Jobs
from gql_gateway.web.hangups import while_connected
from gql_gateway.web.signing import Access, Permission, Signer

log = structlog.get_logger()

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_WANT_DIGEST = re.compile(r"(?:^|,)\s*sha-256\s*=\s*(\d{1,2})\s*(?:,|$)")
# Python's own table and not the machine's, so that a name means the same type everywhere.
_TYPES = MimeTypes()
# With its own type a user's file would pass for one of the gateway's scripts or styles: it comes from the same origin,
# which is all that the pages' policy asks. (Chromium 156 runs an attachment by `<script src>`.)
_ACTIVE = frozenset({
    "text/html", "text/javascript", "application/javascript", "application/ecmascript", "application/wasm", "text/css",
    "application/xhtml+xml", "image/svg+xml", "text/xml", "application/xml", "application/pdf",
})  # fmt: skip
_PACKED = {"gzip": "application/gzip", "bzip2": "application/x-bzip2", "xz": "application/x-xz"}
SAFE = {
    "Cache-Control": "private, no-store",
    # A file is a user's text: wherever it is opened, nothing in it runs in the gateway's name.
    "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


class FileRoutes:
    """The routes under /files/. `upload_bytes` is known to a client before its first byte: a longer PUT is 413."""

    def __init__(self, signer: Signer, jobs: Jobs, files: Files, contents: Contents, upload_bytes: int) -> None:
        self._signer = signer
        self._jobs = jobs
        self._files = files
        self._contents = contents
        self.routes = (
            Route("/files/{signed}", self.read, methods=["GET", "HEAD"]),
            Route("/files/{signed}", self.write, methods=["PUT"], max_body_size=upload_bytes),
        )

    async def read(self, request: Request) -> Response:
        """Send a file, or the one range asked for."""
        permission = self._signer.check(request.path_params["signed"], Access.READ)
        entry = await self._stat(permission)
        wanted = _wanted(request, entry)
        if wanted is not None and not wanted:
            return _unsatisfiable(entry)
        if request.method == "HEAD":
            return await self._describe(request, permission, entry, wanted)
        stack = AsyncExitStack()
        download = await stack.enter_async_context(await self._open(permission, wanted))
        if wanted and _etag(download.entry) != _etag(entry):
            # It was replaced in between: the range is of another file, so the whole new one is sent.
            await stack.aclose()
            download, wanted = await stack.enter_async_context(await self._open(permission, None)), None
        return sent(download, stack, wanted)

    async def write(self, request: Request) -> Response:
        """Receive a file; it appears under its name when it is whole."""
        permission = self._signer.check(request.path_params["signed"], Access.WRITE)
        try:
            entry = await self._files.upload(permission.identity, permission.job_id, permission.path, request.stream())
        except ClientDisconnect:
            log.info("upload broke off", job=permission.job_id)
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        file = {"path": entry.path, "size": entry.size, "modifiedAt": entry.modified_at.isoformat()}
        return JSONResponse({"file": file}, HTTPStatus.CREATED, {"ETag": _etag(entry), "Cache-Control": "no-store"})

    async def _describe(
        self, request: Request, permission: Permission, entry: FileEntry, wanted: range | None
    ) -> Response:
        """What a GET would say; with the whole file's digest where that is asked for (RFC 9530)."""
        digest = {}
        if _wants_digest(request):
            checksum = await while_connected(
                request, self._contents.checksum(permission.identity, permission.job_id, permission.path)
            )
            entry = checksum.entry
            digest = {"Repr-Digest": repr_digest(checksum.sha256)}
        return Response(status_code=_status(wanted), headers={**_headers(entry, wanted), **digest})

    async def _stat(self, permission: Permission) -> FileEntry:
        job = await self._jobs.require(permission.identity, permission.job_id)
        entry = await self._files.stat(job, permission.path)
        if entry.kind is not FileKind.FILE:
            raise _no_file(entry)
        return entry

    async def _open(self, permission: Permission, wanted: range | None) -> AbstractAsyncContextManager[Download]:
        offset, length = (wanted.start, len(wanted)) if wanted else (0, None)
        return await self._files.download(
            permission.identity, permission.job_id, permission.path, offset=offset, length=length
        )


class Streamed(StreamingResponse):
    """An answer that holds its source open until it is sent, or its reader has gone."""

    def __init__(
        self, chunks: AsyncIterator[bytes], stack: AsyncExitStack, headers: Mapping[str, str], status: int = 200
    ) -> None:
        super().__init__(chunks, status, headers)
        self._stack = stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._stack:
            try:
                await super().__call__(scope, receive, send)
            except Refused as refused:
                # The head is sent already. Returning without an end makes the server cut the connection, so that the
                # client sees that something is missing.
                log.warning("download broke off", error=str(refused))


def sent(download: Download, stack: AsyncExitStack, wanted: range | None = None) -> Streamed:
    """The answer that sends a file, or a range of it."""
    return Streamed(download.chunks, stack, _headers(download.entry, wanted), _status(wanted))


def _wants_digest(request: Request) -> bool:
    match = _WANT_DIGEST.search(request.headers.get("want-repr-digest", ""))
    return match is not None and match[1] != "0"


def repr_digest(sha256: bytes) -> str:
    """The digest of a whole file as a header says it (RFC 9530)."""
    return f"sha-256=:{base64.b64encode(sha256).decode()}:"


def _wanted(request: Request, entry: FileEntry) -> range | None:
    """The bytes asked for; None: all of them; an empty range: none that there are.

    Several ranges, other units and a range of another version (If-Range) mean all, as RFC 9110 allows.
    """
    match = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if not match or match.group() == "bytes=-" or request.headers.get("if-range", _etag(entry)) != _etag(entry):
        return None
    first, last = match.groups()
    if not first:
        return range(max(0, entry.size - int(last)), entry.size)
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last) + 1, entry.size) if last else entry.size)


def _status(wanted: range | None) -> HTTPStatus:
    return HTTPStatus.PARTIAL_CONTENT if wanted else HTTPStatus.OK


def _headers(entry: FileEntry, wanted: range | None) -> dict[str, str]:
    part = {"Content-Range": f"bytes {wanted.start}-{wanted.stop - 1}/{entry.size}"} if wanted else {}
    return {
        **SAFE,
        "Accept-Ranges": "bytes",
        **part,
        "Content-Type": _media_type(entry.name),
        "Content-Length": str(len(wanted) if wanted else entry.size),
        "Content-Disposition": disposition(entry.name),
        "ETag": _etag(entry),
    }


def _unsatisfiable(entry: FileEntry) -> Response:
    headers = {"Content-Range": f"bytes */{entry.size}", "Cache-Control": "no-store"}
    return Response(status_code=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=headers)


def _etag(entry: FileEntry) -> str:
    return f'"{entry.size:x}-{int(entry.modified_at.timestamp() * 1_000_000):x}"'


def _media_type(name: str) -> str:
    kind, packed = _TYPES.guess_type(name)
    if packed:
        return _PACKED.get(packed, "application/octet-stream")
    if kind in _ACTIVE:
        return "application/octet-stream"
    if kind and kind.startswith("text/"):
        return f"{kind}; charset=utf-8"
    return kind or "application/octet-stream"


def disposition(name: str) -> str:
    """A header by which a browser saves what it gets under this name."""
    plain = re.sub(r"[^A-Za-z0-9 ._+@=,()-]", "_", name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _no_file(entry: FileEntry) -> Refused:
    kind = {FileKind.DIRECTORY: "a folder", FileKind.SYMLINK: "a symbolic link"}.get(entry.kind, "no regular file")
    return refuse(ErrorCode.PATH_NOT_ALLOWED, f"{entry.path!r} is {kind}: only regular files can be read.")
