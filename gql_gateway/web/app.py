"""The composition root: every part is made here, once, handed its collaborators, started in order, closed in reverse.

The only place below the command line that reads the settings; what the floors below need of them is unpacked here.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path

import structlog
from starlette.applications import Starlette
from starlette.types import ASGIApp

from gql_gateway import __version__
from gql_gateway.api.context import Services
from gql_gateway.api.limits import QueryLimits
from gql_gateway.api.schema import GatewaySchema
from gql_gateway.cluster.clusters import AccountLogin, Clusters
from gql_gateway.cluster.config import ClusterConfig
from gql_gateway.services.account_table import AccountTable
from gql_gateway.services.accounts import AccountRules, Accounts
from gql_gateway.services.audit import Audit
from gql_gateway.services.changes import Changes
from gql_gateway.services.contents import Contents
from gql_gateway.services.files import FileLimits, Files
from gql_gateway.services.jobs import JobLimits, Jobs
from gql_gateway.services.room import Room, RoomLimits
from gql_gateway.services.runs import RunLimits, Runs
from gql_gateway.services.tokens import ApiTokens, TokenLimits
from gql_gateway.services.uploads import UploadLimits, Uploads
from gql_gateway.services.users import Users
from gql_gateway.settings import Auth, ClusterSettings, Settings
from gql_gateway.store import keys
from gql_gateway.store.database import Database
from gql_gateway.watcher.run import Watcher, WatcherOptions
from gql_gateway.watcher.verdict import Patience
from gql_gateway.web.archives import ArchiveRoutes
from gql_gateway.web.claims import ClaimRules
from gql_gateway.web.cors import cors
from gql_gateway.web.door import Door, DoorOptions
from gql_gateway.web.endpoint import EndpointOptions, GraphQLEndpoint
from gql_gateway.web.errors import HANDLERS
from gql_gateway.web.files import FileRoutes
from gql_gateway.web.health import Health
from gql_gateway.web.marketplace import MarketplaceRoutes
from gql_gateway.web.metrics import Metrics
from gql_gateway.web.middleware import Surroundings
from gql_gateway.web.oidc import JwtRules
from gql_gateway.web.pages import Pages
from gql_gateway.web.platform import Platform
from gql_gateway.web.signing import Signer, kept_key
from gql_gateway.web.statuses import Statuses
from gql_gateway.web.tickets import TicketSigner
from gql_gateway.web.tus import TusRoutes

log = structlog.get_logger()

_SQLITE = "sqlite+aiosqlite:///"
_STALE_LOOKS = 3


@dataclass(frozen=True, slots=True)
class Gateway:
    """What is started with the server and closed with it."""

    database: Database
    changes: Changes
    clusters: Clusters
    watcher: Watcher
    platform: Platform

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Start everything; a cluster that is away keeps nothing from starting."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.platform.close)
            stack.push_async_callback(self.database.close)
            stack.push_async_callback(self.changes.rest)
            await self.database.check()
            await self.database.signal.start()
            stack.push_async_callback(self.clusters.close)
            await self.clusters.start()
            stack.push_async_callback(self.watcher.close)
            await self.watcher.start()
            log.info("started", version=__version__, clusters=list(self.clusters))
            yield
            log.info("stopping")


@dataclass(frozen=True, slots=True)
class Application:
    """What is served. `say_goodbye` ends open streams with a reason; the server calls it before it closes them."""

    asgi: ASGIApp
    say_goodbye: Callable[[], Awaitable[None]]


def cluster_config(settings: ClusterSettings) -> ClusterConfig:
    """What the cluster's floor takes, under the same names."""
    return ClusterConfig(**settings.model_dump(include={field.name for field in fields(ClusterConfig)}))


def account_login(settings: ClusterSettings) -> AccountLogin | None:
    """How to log in as a user's own account; None where all share one."""
    if settings.account_root is None:
        return None
    return AccountLogin(settings.account_private_key or str(settings.private_key), settings.account_root)


def account_rules(settings: ClusterSettings) -> AccountRules | None:
    """Whose account is whose; None where all share one."""
    if settings.account == "shared":
        return None
    return AccountRules(
        settings.name,
        least_uid=settings.account_least_uid,
        denied=frozenset({"root", settings.username, *settings.account_deny}),
        template=settings.account_template or "",
        domains=frozenset(settings.account_domains),
        table=AccountTable(settings.account_table) if settings.account_table else None,
    )


async def signing_keys(settings: Settings, database: Database) -> tuple[str, ...]:
    """Keys of signed URLs: those set, or one that is kept beside the SQLite file or in PostgreSQL."""
    if settings.server.secrets:
        return settings.server.secrets
    if not database.is_postgresql:
        return (kept_key(Path(settings.store.database.removeprefix(_SQLITE) + ".key")),)
    async with database.transaction() as session:
        return (await keys.shared(session),)


def create_app(settings: Settings, signing: tuple[str, ...]) -> Application:
    """Make the whole web application; `signing` are the keys of its signed URLs."""
    metrics = Metrics()
    database = Database(settings.store.database)
    clusters = _clusters(settings, metrics)
    statuses = Statuses(database, tuple(clusters))
    issuers, tokens = platform(settings.auth), _tokens(settings, database)
    door = Door([tokens, *issuers.sources], _door_options(settings))
    metrics.subscriptions(lambda: door.allowance.open)
    limits = settings.limits
    room = Room(clusters, RoomLimits(limits.job_bytes, limits.user_bytes, limits.transfers))
    options = _watcher_options(settings)
    watcher = Watcher(database, clusters, options)
    services, signer = _services(settings, database, clusters, watcher, statuses, signing, tokens, door, room)
    stale = timedelta(seconds=_STALE_LOOKS * options.status_seconds)
    health = Health(database, statuses, watcher, metrics, stale)
    contents = Contents(database, clusters, services.jobs, room)
    files = FileRoutes(signer, services.jobs, services.files, contents, limits.upload_bytes)
    archives = ArchiveRoutes(signer, contents)
    tus = TusRoutes(TicketSigner(signing, settings.server.url), services.uploads, limits.upload_bytes)
    pages = Pages()
    endpoint = _endpoint(settings, services, door, pages)
    marketplace = MarketplaceRoutes(door, services, settings.limits.upload_bytes)
    gateway = Gateway(database, services.changes, clusters, watcher, issuers)
    app = Starlette(
        routes=[
            *endpoint.routes,  # the commonest first: they are tried in turn
            *pages.routes,
            *health.routes,
            *files.routes,
            *archives.routes,
            *tus.routes,
            *(marketplace.routes if settings.marketplace.enabled else ()),
        ],
        middleware=cors(settings.server.allowed_origins),
        exception_handlers=HANDLERS,
        lifespan=lambda _app: gateway.running(),
        max_body_size=settings.limits.request_bytes,
    )
    return Application(Surroundings(app, metrics), door.vigil.say_goodbye)


def _clusters(settings: Settings, metrics: Metrics) -> Clusters:
    logins = {each.name: login for each in settings.clusters if (login := account_login(each))}
    return Clusters([cluster_config(each) for each in settings.clusters], metrics.command, logins)


def _watcher_options(settings: Settings) -> WatcherOptions:
    watch = settings.watcher
    return WatcherOptions(
        submit_rate=settings.limits.submit_rate,
        lease_seconds=watch.lease_seconds,
        status_seconds=watch.status_seconds,
        sweep_seconds=watch.sweep_seconds,
        notices=watch.notices,
        patience=Patience(
            lost_after=timedelta(seconds=watch.lost_seconds),
            resubmit_after=timedelta(seconds=watch.resubmit_seconds),
            record_after=timedelta(seconds=watch.record_seconds),
        ),
        event_retention=timedelta(days=settings.store.event_days),
        audit_retention=timedelta(days=settings.store.audit_days),
    )


def _services(
    settings: Settings,
    database: Database,
    clusters: Clusters,
    watcher: Watcher,
    statuses: Statuses,
    signing: tuple[str, ...],
    tokens: ApiTokens,
    door: Door,
    room: Room,
) -> tuple[Services, Signer]:
    limits = settings.limits
    rules = {each.name: rule for each in settings.clusters if (rule := account_rules(each))}
    users = Users(database, clusters, Accounts(clusters, rules))
    jobs = Jobs(database, clusters, users, JobLimits(limits.job_bytes))
    signer = Signer(signing, settings.server.url, settings.server.download_seconds)
    tickets = TicketSigner(signing, settings.server.url)
    lifetime = timedelta(seconds=settings.server.upload_seconds)
    services = Services(
        users=users,
        jobs=jobs,
        runs=Runs(database, clusters, jobs, watcher.submitter, RunLimits(limits.active_jobs, limits.answer_seconds)),
        files=Files(database, clusters, jobs, room, FileLimits(limits.upload_bytes)),
        uploads=Uploads(database, clusters, jobs, room, UploadLimits(limits.upload_bytes, lifetime)),
        changes=Changes(database, users, jobs),
        clusters=statuses,
        sign_download=lambda job, path, identity: signer.download_url(job.id, path, identity),
        sign_archive=lambda job, path, identity: signer.archive_url(job.id, path, identity),
        sign_upload=tickets.url,
        tokens=tokens,
        audit=Audit(database),
        subscription=door.allowance.subscription,
    )
    return services, signer


def _endpoint(settings: Settings, services: Services, door: Door, pages: Pages) -> GraphQLEndpoint:
    limits, server = settings.limits, settings.server
    weights = QueryLimits(limits.query_depth, limits.query_aliases, limits.query_tokens, limits.query_cost)
    return GraphQLEndpoint(
        GatewaySchema(weights, introspection=server.introspection),
        services,
        door,
        pages.graphiql if server.graphiql else None,
        EndpointOptions(request_bytes=limits.request_bytes, allowed_origins=server.allowed_origins),
    )


def _tokens(settings: Settings, database: Database) -> ApiTokens:
    auth = settings.auth
    return ApiTokens(database, TokenLimits(timedelta(days=auth.token_days), auth.tokens_per_user))


def platform(auth: Auth) -> Platform:
    """The platform whose users come here, if any."""
    return Platform(
        jwt=_jwt_rules(auth),
        userinfo_url=auth.userinfo_url,
        userinfo_seconds=auth.userinfo_seconds,
        claims=ClaimRules(
            email=auth.email_claim,
            verified=auth.verified_claim,
            name=auth.name_claim,
            roles=auth.roles_claim,
            admin_roles=auth.admin_roles,
            trust_unverified=auth.trust_unverified_email,
        ),
    )


def _jwt_rules(auth: Auth) -> JwtRules | None:
    if auth.oidc_issuer is None or auth.oidc_audience is None:
        return None
    return JwtRules(
        auth.oidc_issuer,
        auth.oidc_audience,
        leeway=timedelta(seconds=auth.oidc_leeway_seconds),
        keys_again=timedelta(seconds=auth.oidc_keys_seconds),
    )


def _door_options(settings: Settings) -> DoorOptions:
    limits = settings.limits
    return DoorOptions(settings.auth.revocation_seconds, limits.requests_per_minute, limits.subscriptions)
