"""The Python client: `HpcGateway` for scripts and notebooks, `AsyncHpcGateway` for programs on an event loop.

    from gql_gateway.sdk import HpcGateway

    with HpcGateway("https://hpc.example.org", token) as gateway:
        job = gateway.run("/opt/img/tool.sif", "tool input.txt > result.txt", upload="inputs", download="results")

Every method of `HpcGateway` and `Job` may be called from any thread. Errors are exceptions below `GatewayError`.
"""

from gql_gateway.sdk.async_gateway import AsyncHpcGateway
from gql_gateway.sdk.async_job import AsyncJob
from gql_gateway.sdk.errors import (
    BadRequest,
    ClusterTimeout,
    ClusterUnavailable,
    ConfigurationError,
    Conflict,
    ConnectionLost,
    CursorExpired,
    FileExists,
    FileNotFound,
    FileProtected,
    FileTooLarge,
    Forbidden,
    GatewayError,
    ImageNotAllowed,
    InvalidInput,
    InvalidState,
    JobFailed,
    LimitExceeded,
    NoAccount,
    NotFound,
    PathNotAllowed,
    SubmitRefused,
    TransferFailed,
    Unauthenticated,
    Unavailable,
    UnknownOperation,
    UserNotCreated,
    WaitTimeout,
)
from gql_gateway.sdk.gateway import HpcGateway
from gql_gateway.sdk.job import Job
from gql_gateway.sdk.job_types import (
    Archive,
    Deleted,
    FileInfo,
    FileKind,
    JobChange,
    JobInfo,
    JobState,
    JobStatus,
    OutputChunk,
    Transfer,
)
from gql_gateway.sdk.run_types import Forecast, Resources, Usage
from gql_gateway.sdk.site_types import Cluster, ClusterHealth, Heartbeat, Partition, User

__all__ = [
    "Archive",
    "AsyncHpcGateway",
    "AsyncJob",
    "BadRequest",
    "Cluster",
    "ClusterHealth",
    "ClusterTimeout",
    "ClusterUnavailable",
    "ConfigurationError",
    "Conflict",
    "ConnectionLost",
    "CursorExpired",
    "Deleted",
    "FileExists",
    "FileInfo",
    "FileKind",
    "FileNotFound",
    "FileProtected",
    "FileTooLarge",
    "Forbidden",
    "Forecast",
    "GatewayError",
    "Heartbeat",
    "HpcGateway",
    "ImageNotAllowed",
    "InvalidInput",
    "InvalidState",
    "Job",
    "JobChange",
    "JobFailed",
    "JobInfo",
    "JobState",
    "JobStatus",
    "LimitExceeded",
    "NoAccount",
    "NotFound",
    "OutputChunk",
    "Partition",
    "PathNotAllowed",
    "Resources",
    "SubmitRefused",
    "Transfer",
    "TransferFailed",
    "Unauthenticated",
    "Unavailable",
    "UnknownOperation",
    "Usage",
    "User",
    "UserNotCreated",
    "WaitTimeout",
]
