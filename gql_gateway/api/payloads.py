"""Results of mutations. The object is null exactly where `userErrors` is not empty."""

import strawberry

from gql_gateway.api.errors import UserError
from gql_gateway.api.files import JobFile, UploadTicket
from gql_gateway.api.jobs import Job, User
from gql_gateway.api.resources import LaunchForecast
from gql_gateway.api.tokens import Token

_ERRORS = "What you can put right; empty where the mutation did what it was asked."


@strawberry.type(description="Result of `createUser`.")
class CreateUserPayload:
    user: User | None = strawberry.field(default=None, description="You.")
    user_errors: list[UserError] = strawberry.field(default_factory=list, description=_ERRORS)


@strawberry.type(description="Result of a mutation that makes or changes a job.")
class JobPayload:
    job: Job | None = strawberry.field(default=None, description="The job, as it is now.")
    forecast: LaunchForecast | None = strawberry.field(
        default=None, description="What Slurm would do with it: only from `launch` with `dryRun`."
    )
    user_errors: list[UserError] = strawberry.field(default_factory=list, description=_ERRORS)


@strawberry.type(description="Result of `upload`.")
class UploadPayload:
    file: JobFile | None = strawberry.field(default=None, description="The file, as it is now on the cluster.")
    user_errors: list[UserError] = strawberry.field(default_factory=list, description=_ERRORS)


@strawberry.type(description="Result of `createUpload`.")
class CreateUploadPayload:
    upload: UploadTicket | None = strawberry.field(default=None, description="Where to send the bytes.")
    user_errors: list[UserError] = strawberry.field(default_factory=list, description=_ERRORS)


@strawberry.type(description="Result of `deleteFile`.")
class DeleteFilePayload:
    deleted_path: str | None = strawberry.field(default=None, description="Path of what was deleted.")
    user_errors: list[UserError] = strawberry.field(default_factory=list, description=_ERRORS)


@strawberry.type(description="Result of `createToken`.")
class CreateTokenPayload:
    token: Token | None = strawberry.field(default=None, description="The new token.")
    secret: str | None = strawberry.field(
        default=None, description="What to send as `Authorization: Bearer …`. Shown this once, and kept nowhere."
    )
    user_errors: list[UserError] = strawberry.field(default_factory=list, description=_ERRORS)


@strawberry.type(description="Result of `revokeToken`.")
class RevokeTokenPayload:
    revoked_token_id: strawberry.ID | None = strawberry.field(default=None, description="Id of what works no more.")
    user_errors: list[UserError] = strawberry.field(default_factory=list, description=_ERRORS)


@strawberry.type(description="Result of `deleteJob`.")
class DeleteJobPayload:
    deleted_job_id: strawberry.ID | None = strawberry.field(default=None, description="Id of what was deleted.")
    user_errors: list[UserError] = strawberry.field(default_factory=list, description=_ERRORS)
