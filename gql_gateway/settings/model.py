"""The sections of the configuration, their keys, defaults and meanings. docs/configuration.md is made from it."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator, model_validator

from gql_gateway.settings.cluster import ClusterSettings
from gql_gateway.settings.fields import (
    DatabaseUrl,
    ExistingFile,
    Origins,
    ProviderUrl,
    PublicUrl,
    RoleNames,
    SigningKeys,
)
from gql_gateway.settings.section import Section

GIB = 1024**3


def _with_file(values: Any, key: str, info: ValidationInfo) -> Any:
    """Fill `key` with what the file in `<key>_file` holds, so that secrets need not stand in the configuration."""
    name = values.get(f"{key}_file") if isinstance(values, dict) else None
    if not isinstance(name, str):
        return values
    if key in values:
        raise ValueError(f"give `{key}` or `{key}_file`, not both")
    path = Path(info.context["base"] if info.context else ".", Path(name).expanduser())
    return {**values, key: path.read_text().strip()} if path.is_file() else values


class Server(Section):
    """HTTP: where it listens and what it is called from outside."""

    host: str = Field("127.0.0.1", description="Address to listen on; `0.0.0.0` for all.")
    port: int = Field(8000, ge=1, le=65535, description="Port to listen on.")
    public_url: PublicUrl | None = Field(
        None, description="What clients call this server; signed URLs begin with it. Without it: `http://HOST:PORT`."
    )
    secret: SigningKeys | None = Field(
        None,
        description="Key that signs download URLs, at least 32 characters. Several keys, separated by white space: "
        "the first signs, all are accepted, so that keys can be rotated. Without it, one is made and kept: "
        "beside an SQLite file, in a PostgreSQL database (then whoever can read the database can read files).",
    )
    secret_file: ExistingFile | None = Field(None, description="File that holds `secret`.")
    download_seconds: int = Field(600, ge=10, le=86400, description="How long a download URL works.")
    upload_seconds: int = Field(
        43_200, ge=60, le=86_400, description="How long an upload that was begun can be continued; then it is removed."
    )
    shutdown_seconds: int = Field(10, ge=1, le=600, description="How long running requests may go on after SIGTERM.")
    trusted_proxies: str = Field(
        "127.0.0.1", description="Addresses of proxies whose `X-Forwarded-For` and `-Proto` are believed; `*` for all."
    )
    allowed_origins: Origins = Field(
        (), description="Origins of web applications elsewhere that may call the API from a browser (CORS, WebSocket)."
    )
    graphiql: bool = Field(default=True, description="Whether a browser at `/graphql` gets the GraphiQL explorer.")
    introspection: bool = Field(default=True, description="Whether the schema can be asked for.")

    @model_validator(mode="before")
    @classmethod
    def _secret_from_file(cls, values: Any, info: ValidationInfo) -> Any:
        return _with_file(values, "secret", info)

    @property
    def url(self) -> str:
        """What clients call this server, without a slash at the end."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self.host, self.host)  # noqa: S104 - not what is bound
        return self.public_url or f"http://{host}:{self.port}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """Keys of signed URLs; the first signs. Empty where none is set."""
        return tuple(self.secret.get_secret_value().split()) if self.secret else ()


class Store(Section):
    """The gateway's own records."""

    url: DatabaseUrl = Field(
        SecretStr("sqlite+aiosqlite:///gateway.db"),
        validate_default=True,
        description="`sqlite+aiosqlite:///FILE` (one process) or `postgresql+asyncpg://USER:PASSWORD@HOST/DATABASE` "
        "(several processes may share it).",
    )
    url_file: ExistingFile | None = Field(None, description="File that holds `url`, for one with a password.")
    event_days: int = Field(
        90, ge=1, le=36500, description="How long state changes are kept; older cursors of subscriptions are refused."
    )
    audit_days: int = Field(730, ge=1, le=36500, description="How long the audit log is kept.")

    @model_validator(mode="before")
    @classmethod
    def _url_from_file(cls, values: Any, info: ValidationInfo) -> Any:
        return _with_file(values, "url", info)

    @property
    def database(self) -> str:
        """The URL in clear."""
        return self.url.get_secret_value()


class Auth(Section):
    """Who may come in. API tokens made with `gql-gateway token create` always work."""

    oidc_issuer: ProviderUrl | None = Field(
        None,
        description="Issuer of access tokens that are JWTs, exactly as they name it; its keys are found by OpenID "
        "discovery.",
    )
    oidc_audience: str | None = Field(
        None, min_length=1, description="What `aud` of such a token must name: this gateway. Needed with `oidc_issuer`."
    )
    oidc_leeway_seconds: int = Field(30, ge=0, le=300, description="How much the issuer's clock may differ from ours.")
    oidc_keys_seconds: float = Field(
        10, ge=0.1, le=3600, description="How often at most the issuer is asked for a key that it did not have before."
    )
    userinfo_url: ProviderUrl | None = Field(
        None, description="Address that tells whose an opaque access token is (the MarketPlace way)."
    )
    userinfo_seconds: float = Field(
        60, ge=0, le=3600, description="How long its answer is believed; a token that is withdrawn works that long."
    )
    email_claim: str = Field("email", min_length=1, description="Claim with the e-mail address; `a.b`: b inside a.")
    verified_claim: str = Field(
        "email_verified", min_length=1, description="Claim that says that the address was verified."
    )
    trust_unverified_email: bool = Field(
        default=False,
        description="Whether to take addresses that are not said to be verified. Only for platforms on which nobody "
        "can choose an address: who can is anybody here.",
    )
    name_claim: str = Field("name", min_length=1, description="Claim with the person's name.")
    roles_claim: str = Field(
        "roles", min_length=1, description="Claim with the person's roles, such as `realm_access.roles` of Keycloak."
    )
    admin_roles: RoleNames = Field((), description="Roles of which any makes an administrator; none by default.")
    token_days: int = Field(
        365, ge=1, le=36500, description="Longest life of API tokens that users make by `createToken`."
    )
    tokens_per_user: int = Field(50, ge=0, le=10_000, description="API tokens of one user that work at once.")
    revocation_seconds: float = Field(
        5, ge=0.1, le=600, description="How soon open streams end after their token was revoked."
    )

    @model_validator(mode="after")
    def _issuer_with_audience(self) -> "Auth":
        if (self.oidc_issuer is None) != (self.oidc_audience is None):
            raise ValueError("`oidc_issuer` and `oidc_audience` need each other")
        return self


class Marketplace(Section):
    """The Materials MarketPlace's own Python SDK, beside GraphQL."""

    enabled: bool = Field(
        default=False,
        description="Whether to answer under `/api/applications/` as the MarketPlace's proxy does, so that programs "
        "written with the package `marketplace-hpc` work when their host URL names this server.",
    )


class Limits(Section):
    """How much one request or one user may ask for."""

    request_bytes: int = Field(
        1024 * 1024, ge=4096, description="Largest GraphQL request in bytes, not counting uploaded files."
    )
    head_bytes: int = Field(64 * 1024, ge=8192, description="Largest request line with headers, in bytes.")
    head_seconds: float = Field(15, ge=0.1, le=600, description="How long a request's headers may take to arrive.")
    stall_seconds: float = Field(
        60,
        ge=0.1,
        le=3600,
        description="How long a request's body may bring less than 1 KiB, or an answer not be read, before the "
        "connection is cut.",
    )
    upload_bytes: int = Field(64 * GIB, ge=1, description="Largest file in bytes that can be uploaded.")
    job_bytes: int = Field(
        1024 * GIB,
        ge=1,
        description="Bytes on disk in one job's folder beyond which nothing more can be uploaded. What a running job "
        "writes is not stopped by it: that is for the cluster's own quota.",
    )
    user_bytes: int | None = Field(
        None,
        ge=1,
        description="The same for all of a user's folders on one cluster together. It takes a look at all of them, "
        "at most once a minute and for 5 s.",
    )
    transfers: int = Field(
        6,
        ge=1,
        le=1000,
        description="Uploads and downloads of one user at once; further ones wait. Each process counts for itself.",
    )
    active_jobs: int = Field(1000, ge=1, description="Launched jobs of one user that have not ended.")
    answer_seconds: float = Field(
        10, ge=0, le=300, description="How long `launch` and `cancel` wait for Slurm before they answer with what is."
    )
    requests_per_minute: int = Field(
        60_000,
        ge=1,
        le=10_000_000,
        description="Requests of one user in a minute, each operation on a WebSocket counted as one. Each gateway "
        "process counts for itself. The default is about what one process can answer: it stops a program that ran "
        "wild; lower it to share one process fairly among many.",
    )
    subscriptions: int = Field(
        5000,
        ge=1,
        le=100_000,
        description="Subscriptions of one user at once, each of which takes memory. Each process counts for itself.",
    )
    submit_rate: float = Field(50, gt=0, le=1000, description="Jobs handed to one cluster's Slurm in a second.")
    query_depth: int = Field(16, ge=15, le=100, description="Fields inside fields; tools' introspection needs 15.")
    query_aliases: int = Field(50, ge=1, le=10_000, description="Aliases in one operation.")
    query_tokens: int = Field(4000, ge=100, le=1_000_000, description="Words and signs in one document.")
    query_cost: int = Field(
        100_000, ge=100, le=100_000_000, description="Fields in the largest answer possible, page sizes multiplied in."
    )


class Watch(Section):
    """Watching Slurm: patience and rhythm. The defaults are meant to be right; shorter patience risks more."""

    notices: bool = Field(
        default=True,
        description="Whether to follow the file to which jobs append a line when they start and end. Without it, "
        "changes are seen when `poll_seconds` are over.",
    )
    lease_seconds: float = Field(
        15, ge=1, le=600, description="Of several processes on one store, one watches; dead for so long, another does."
    )
    status_seconds: float = Field(60, ge=1, le=3600, description="How often to ask how the cluster is.")
    resubmit_seconds: float = Field(
        30,
        ge=1,
        le=3600,
        description="An `sbatch` whose outcome is unknown is repeated when Slurm has answered for so long that it "
        "knows no such job.",
    )
    record_seconds: float = Field(
        60,
        ge=1,
        le=86400,
        description="A job that left the queue, and of whose end accounting says nothing for so long, ended as its own "
        "end record says. Sites without accounting do not wait.",
    )
    lost_seconds: float = Field(
        600,
        ge=1,
        le=86400,
        description="A job of which neither queue, accounting nor end record knows, while they answer, for so long "
        "is LOST.",
    )
    sweep_seconds: float = Field(
        600, ge=1, le=86400, description="How often to remove what was left half done and events past `event_days`."
    )


class Logging(Section):
    """What is logged, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    format: Literal["auto", "json", "console"] = Field(
        "auto", description="`json` lines, `console` for people, or `auto`: console on a terminal."
    )


class Settings(Section):
    """The whole configuration."""

    server: Server = Server()
    store: Annotated[Store, Field(default_factory=dict, validate_default=True)]
    auth: Auth = Auth()
    marketplace: Marketplace = Marketplace()
    limits: Limits = Limits()
    watcher: Watch = Watch()
    clusters: tuple[ClusterSettings, ...]
    logging: Logging = Logging()

    @field_validator("clusters", mode="before")
    @classmethod
    def _at_least_one(cls, clusters: Any) -> Any:
        if not clusters:
            raise ValueError("none is configured: add a [[clusters]] table with name, host, username and the rest")
        return clusters

    @field_validator("clusters")
    @classmethod
    def _names_once(cls, clusters: tuple[ClusterSettings, ...]) -> tuple[ClusterSettings, ...]:
        names = [cluster.name for cluster in clusters]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two clusters are called {', '.join(twice)}")
        return clusters
