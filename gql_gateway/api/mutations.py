"""What can be changed. What a caller can put right comes back in the payload."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated

import strawberry

from gql_gateway.api.context import Info
from gql_gateway.api.errors import refusals_as
from gql_gateway.api.fields import resolved
from gql_gateway.api.files import JobFile, Links, UploadTicket
from gql_gateway.api.inputs import (
    CreateJobInput,
    CreateTokenInput,
    CreateUploadInput,
    DeleteFileInput,
    JobInput,
    RevokeTokenInput,
    UploadInput,
)
from gql_gateway.api.jobs import Job, User
from gql_gateway.api.paging import given
from gql_gateway.api.payloads import (
    CreateTokenPayload,
    CreateUploadPayload,
    CreateUserPayload,
    DeleteFilePayload,
    DeleteJobPayload,
    JobPayload,
    RevokeTokenPayload,
    UploadPayload,
)
from gql_gateway.api.resources import LaunchForecast
from gql_gateway.api.tokens import Token
from gql_gateway.core.errors import ErrorCode, refuse
from gql_gateway.core.identity import Role
from gql_gateway.core.ids import global_id, parse_job_id, parse_token_id

_JobToUse = Annotated[JobInput, strawberry.argument(name="input", description="Which job.")]
_DryRun = Annotated[
    bool | None,
    strawberry.argument(
        description="Ask Slurm what it would do with the job (`sbatch --test-only`), and launch nothing. The answer is "
        "in `forecast`; a job that Slurm would refuse has a `SUBMIT_REFUSED` in `userErrors`, and stays `CREATED`."
    ),
]
_JobToCreate = Annotated[CreateJobInput, strawberry.argument(name="input", description="What to create.")]
_UploadToCreate = Annotated[CreateUploadInput, strawberry.argument(name="input", description="What will come.")]
_FileToUpload = Annotated[UploadInput, strawberry.argument(name="input", description="What to upload.")]
_FileToDelete = Annotated[DeleteFileInput, strawberry.argument(name="input", description="What to delete.")]
_TokenToCreate = Annotated[CreateTokenInput, strawberry.argument(name="input", description="What to make.")]
_TokenToRevoke = Annotated[RevokeTokenInput, strawberry.argument(name="input", description="What to revoke.")]


@strawberry.type(description="What can be changed. Each result holds the object, or `userErrors` that say why not.")
class Mutation:
    @resolved(
        "Become a user here, with a folder on the cluster; who you are comes from your token. Again: the "
        "same user. Example: `mutation { createUser { user { id folder } userErrors { code message } } }`"
    )
    @refusals_as(CreateUserPayload)
    async def create_user(self, info: Info) -> CreateUserPayload | None:
        """The caller as a user."""
        return CreateUserPayload(user=User(row=await info.context.services.users.create(info.context.caller)))

    @resolved(
        "Create a job and its folder on the cluster. Nothing runs before `launch`. Example: "
        '`mutation { createJob(input: {name: "hello", image: "docker://alpine", command: "echo hello > out.txt"}) '
        "{ job { id folder script } userErrors { code message field } } }`"
    )
    @refusals_as(JobPayload)
    async def create_job(self, info: Info, data: _JobToCreate) -> JobPayload | None:
        """A new job."""
        key = data.key
        row = await info.context.services.jobs.create(
            info.context.caller,
            data.values(),
            cluster=given(data.cluster),
            idempotency_key=key,
        )
        return JobPayload(job=Job(row=row))

    @resolved(
        "Put a file into a job's folder. It appears whole under its name, or not at all, and takes the "
        'place of a file there. Example: `mutation($file: Upload!) { upload(input: {jobId: "job_…", file: $file, '
        'path: "data/in.txt"}) { file { path size } userErrors { code message } } }`, as a multipart request.'
    )
    @refusals_as(UploadPayload)
    async def upload(self, info: Info, data: _FileToUpload) -> UploadPayload | None:
        """A file, passed on to the cluster as it arrives."""
        services, caller, key = info.context.services, info.context.caller, parse_job_id(data.job_id)
        job = await services.jobs.require(caller, key)
        file = await data.file.open()
        path = file.name if given(data.path) is None else data.path
        if path is None:
            raise refuse(ErrorCode.INVALID_INPUT, "Give `path`: the file part has no name.", "input", "path")
        entry = await services.files.upload(caller, key, path, file.chunks)
        return UploadPayload(file=JobFile(entry=entry, links=Links.of(info, job)))

    @resolved(
        "Begin an upload that may be cut and continued, for hours and for large files. The bytes go to the URL that "
        "comes back, by the tus protocol; what its limits forbid is said here, before the first byte. Example: "
        '`mutation { createUpload(input: {jobId: "job_…", path: "data/in.bin", size: 500000000}) '
        "{ upload { url expiresAt } userErrors { code message } } }`"
    )
    @refusals_as(CreateUploadPayload)
    async def create_upload(self, info: Info, data: _UploadToCreate) -> CreateUploadPayload | None:
        """An upload, begun."""
        services, caller = info.context.services, info.context.caller
        ticket = await services.uploads.begin(
            caller,
            parse_job_id(data.job_id),
            data.path,
            size=data.size,
            sha256=given(data.sha256),
            overwrite=data.overwrite,
        )
        expires_at = datetime.fromtimestamp(ticket.expires, UTC)
        return CreateUploadPayload(upload=UploadTicket(url=services.sign_upload(ticket, caller), expires_at=expires_at))

    @resolved(
        "Delete a file, or a folder with what it holds, from a job's folder. Example: `mutation "
        '{ deleteFile(input: {jobId: "job_…", path: "out.txt"}) { deletedPath userErrors { code message } } }`'
    )
    @refusals_as(DeleteFilePayload)
    async def delete_file(self, info: Info, data: _FileToDelete) -> DeleteFilePayload | None:
        """An entry of a job's folder."""
        files, key = info.context.services.files, parse_job_id(data.job_id)
        return DeleteFilePayload(deleted_path=await files.delete(info.context.caller, key, data.path))

    @resolved(
        "Submit a job to Slurm, exactly once: launching it again returns it unchanged. Waits a few seconds "
        "for Slurm's answer; a job that is `LAUNCHING` then is submitted as soon as the cluster takes it. Example: "
        '`mutation { launch(input: {jobId: "job_…"}) { job { state slurmJobId } userErrors { code message detail } } }`'
    )
    @refusals_as(JobPayload)
    async def launch(self, info: Info, data: _JobToUse, dry_run: _DryRun = False) -> JobPayload | None:
        """A job on its way into Slurm's queue, or what would become of it there."""
        if dry_run:
            row, forecast = await info.context.services.runs.forecast(info.context.caller, parse_job_id(data.job_id))
            return JobPayload(job=Job(row=row), forecast=LaunchForecast(**asdict(forecast)))
        row = await info.context.services.runs.launch(info.context.caller, parse_job_id(data.job_id))
        return JobPayload(job=Job(row=row))

    @resolved(
        "Ask for a job to be cancelled. Waits a few seconds for its end, which Slurm must confirm. A job "
        "that has ended stays as it is. Example: "
        '`mutation { cancel(input: {jobId: "job_…"}) { job { state reason } userErrors { code message } } }`'
    )
    @refusals_as(JobPayload)
    async def cancel(self, info: Info, data: _JobToUse) -> JobPayload | None:
        """A job on its way to its end."""
        row = await info.context.services.runs.cancel(info.context.caller, parse_job_id(data.job_id))
        return JobPayload(job=Job(row=row))

    @resolved(
        "Create a new job with the same parameters, and with the files that were uploaded to the first one "
        "as they are now. This is how to run a job again. Example: "
        '`mutation { cloneJob(input: {jobId: "job_…"}) { job { id } userErrors { code message } } }`'
    )
    @refusals_as(JobPayload)
    async def clone_job(self, info: Info, data: _JobToUse) -> JobPayload | None:
        """A new job like another one."""
        row = await info.context.services.jobs.clone(info.context.caller, parse_job_id(data.job_id))
        return JobPayload(job=Job(row=row))

    @resolved(
        "Delete a job that has ended or was never launched, with its folder on the cluster. Example: "
        '`mutation { deleteJob(input: {jobId: "job_…"}) { deletedJobId userErrors { code message } } }`'
    )
    @refusals_as(DeleteJobPayload)
    async def delete_job(self, info: Info, data: _JobToUse) -> DeleteJobPayload | None:
        """A job that is no more."""
        key = await info.context.services.jobs.delete(info.context.caller, parse_job_id(data.job_id))
        return DeleteJobPayload(deleted_job_id=strawberry.ID(global_id("job", key)))

    @resolved(
        "Make an API token for yourself: for a program, or for a time when your platform's token is over. Example: "
        '`mutation { createToken(input: {name: "laptop"}) { secret token { id expiresAt } userErrors { message } } }`'
    )
    @refusals_as(CreateTokenPayload)
    async def create_token(self, info: Info, data: _TokenToCreate) -> CreateTokenPayload | None:
        """A token of the caller's."""
        row, secret = await info.context.services.tokens.create_mine(
            info.context.caller, data.name, role=data.role or Role.USER, expires_at=given(data.expires_at)
        )
        return CreateTokenPayload(token=Token.of(row), secret=secret)

    @resolved(
        "End one of your API tokens now; again: no change. Subscriptions that it opened end within seconds. Example: "
        '`mutation { revokeToken(input: {id: "token_…"}) { revokedTokenId userErrors { code message } } }`'
    )
    @refusals_as(RevokeTokenPayload)
    async def revoke_token(self, info: Info, data: _TokenToRevoke) -> RevokeTokenPayload | None:
        """A token that works no more."""
        key = await info.context.services.tokens.revoke_mine(info.context.caller, parse_token_id(data.id))
        return RevokeTokenPayload(revoked_token_id=strawberry.ID(global_id("token", key)))
