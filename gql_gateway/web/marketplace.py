"""The old gateway's operations as the Materials MarketPlace's proxy offers them, for programs written with its SDK.

Made for the published packages marketplace-hpc 2.0.0 and marketplace-sdk 0.5.0, unmodified: paths, parameters and
shapes of answers are theirs, what happens underneath is what GraphQL does.
"""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from http import HTTPStatus
from pathlib import PurePosixPath
from typing import Any

import orjson
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gql_gateway.api.context import Services
from gql_gateway.cluster.files import FileEntry, FileKind
from gql_gateway.core.errors import BadRequest, ErrorCode, Fault, Refused, refuse
from gql_gateway.core.identity import Identity
from gql_gateway.core.ids import global_id, parse_job_id
from gql_gateway.store.tables import Job
from gql_gateway.web.door import Door
from gql_gateway.web.errors import STATUS
from gql_gateway.web.files import sent
from gql_gateway.web.multipart import MultipartReader
from gql_gateway.web.transformations import job_values

log = structlog.get_logger()

API_VERSION = "0.3.0"
_HEADS = 64 * 1024
"""Bytes of a multipart body beside its file."""
_KINDS = {FileKind.FILE: "-", FileKind.DIRECTORY: "d", FileKind.SYMLINK: "l", FileKind.OTHER: "?"}

Handler = Callable[[Request, Identity], Awaitable[Response]]


class MarketplaceRoutes:
    """The routes under /api/applications/. Every application id stands for this one application."""

    def __init__(self, door: Door, services: Services, upload_bytes: int) -> None:
        self._door = door
        self._services = services
        self._operations: dict[str, tuple[str, Handler]] = {
            "createOrUpdateCollection": ("PUT", self._create_user),
            "newTransformation": ("POST", self._create_job),
            "updateTransformation": ("PATCH", self._launch),
            "getTransformationState": ("GET", self._state),
            "deleteTransformation": ("DELETE", self._cancel),
            "getDataset": ("GET", self._download),
            "createDataset": ("PUT", self._upload),
            "deleteDataset": ("DELETE", self._delete_file),
        }
        proxy = "/api/applications/proxy/{id}"
        bodies = {"createDataset": upload_bytes + _HEADS}
        self.routes = (
            Route("/api/applications/{id}", self._guarded(self._information), methods=["GET"]),
            Route(f"{proxy}/heartbeat", self._heartbeat, methods=["GET"]),
            *(
                Route(f"{proxy}/{name}", self._guarded(handler), methods=[method], max_body_size=bodies.get(name))
                for name, (method, handler) in self._operations.items()
            ),
        )

    def _guarded(self, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
        """Let callers in, and say what went wrong in the old gateway's shape."""

        async def answer(request: Request) -> Response:
            try:
                return await handler(request, await self._door.caller(request.headers.get("authorization")))
            except Refused as refused:
                problem = refused.problems[0]
                return _error(request, STATUS[problem.code], problem.code, str(refused), problem.detail)
            except Fault as fault:
                return _error(request, fault.status, fault.code, str(fault), fault.detail)

        return answer

    async def _heartbeat(self, _: Request) -> Response:
        return _answer(message="HPC gateway: application running.")

    async def _information(self, request: Request, _: Identity) -> Response:
        names = ["heartbeat", *self._operations]
        capabilities = [{"name": name} for name in names]
        return _answer(
            id=request.path_params["id"], name="HPC gateway", api_version=API_VERSION, capabilities=capabilities
        )

    async def _create_user(self, _: Request, caller: Identity) -> Response:
        user = await self._services.users.create(caller)
        return _answer(
            _id=global_id("user", user.id),
            email=user.email,
            home=self._services.users.path(user),
            name=user.name,
            message="Success: Create user in database.",
        )

    async def _create_job(self, request: Request, caller: Identity) -> Response:
        try:
            given = orjson.loads(await request.body())
        except orjson.JSONDecodeError:
            raise BadRequest("The body must be JSON.") from None
        job = await self._services.jobs.create(caller, job_values(given))
        return _answer(jobid=global_id("job", job.id))

    async def _launch(self, request: Request, caller: Identity) -> Response:
        job = await self._services.runs.launch(caller, _job_key(request))
        return _answer(jobid=global_id("job", job.id), **_evidence(job))

    async def _state(self, request: Request, caller: Identity) -> Response:
        job = await self._services.jobs.require(caller, _job_key(request))
        entries = await self._services.files.list(job)
        files = [_listed(entry) for entry in entries]
        return _answer(files=files, message="Files in the job folder.", **_evidence(job))

    async def _cancel(self, request: Request, caller: Identity) -> Response:
        job = await self._services.runs.cancel(caller, _job_key(request))
        words = (
            f"Send cancelling signal to job-{global_id('job', job.id)}, of Slurm job id={job.slurm_job_id or 'none'}"
        )
        return _answer(message=words, **_evidence(job))

    async def _download(self, request: Request, caller: Identity) -> Response:
        job = await self._services.jobs.require(caller, _job_key(request))
        stack = AsyncExitStack()
        opening = await self._services.files.download(caller, job.id, _file_name(request))
        return sent(await stack.enter_async_context(opening), stack)

    async def _upload(self, request: Request, caller: Identity) -> Response:
        key = _job_key(request)
        reader = MultipartReader(request.headers.get("content-type", ""), request.stream())
        part = await reader.next_part()
        while part is not None and part.name != "file":
            part = await reader.next_part()
        if part is None:
            raise BadRequest("The body has no part `file`.")
        # Without a name the last part of the sender's own path, as which requests sends an open file.
        name = request.query_params.get("filename") or PurePosixPath(part.filename or "").name
        try:
            await self._services.files.upload(caller, key, name, reader.data())
        except ClientDisconnect:
            log.info("upload broke off", job=key)
            return Response(status_code=HTTPStatus.BAD_REQUEST)
        return _answer(message="File uploaded.")

    async def _delete_file(self, request: Request, caller: Identity) -> Response:
        await self._services.files.delete(caller, _job_key(request), _file_name(request))
        return _answer(message="File deleted.")


def _job_key(request: Request) -> str | None:
    """Key of the job in the parameter `jobid`; None where that is none, which is like one that is not there."""
    return parse_job_id(request.query_params.get("jobid", ""))


def _file_name(request: Request) -> str:
    if name := request.query_params.get("filename"):
        return name
    raise refuse(ErrorCode.INVALID_INPUT, "Give the parameter `filename`.", "filename")


def _evidence(job: Job) -> dict[str, Any]:
    return {
        "state": job.state,
        "slurm_job_id": job.slurm_job_id,
        "native_state": job.native_state,
        "reason": job.reason,
        "exit_code": job.exit_code,
    }


def _listed(entry: FileEntry) -> dict[str, str]:
    """An entry as `ls -l` shows it; every value is text."""
    return {
        "name": entry.name,
        "type": _KINDS[entry.kind],
        "size": str(entry.size),
        "permissions": "".join(
            letter if entry.mode >> (8 - place) & 1 else "-" for place, letter in enumerate("rwxrwxrwx")
        ),
        "user": entry.user,
        "group": entry.group,
        "last_modified": entry.modified_at.strftime("%Y-%m-%dT%H:%M:%S"),
        "link_target": entry.link_target or "",
    }


def _answer(**content: Any) -> JSONResponse:
    return JSONResponse(content, headers={"Cache-Control": "no-store"})


def _error(request: Request, status: int, code: str, words: str, detail: str | None) -> JSONResponse:
    content = {"error": words, "code": code, "requestId": request.scope["state"]["request_id"]}
    return JSONResponse(content | ({"detail": detail} if detail else {}), status, {"Cache-Control": "no-store"})
