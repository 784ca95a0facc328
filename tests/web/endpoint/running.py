"""The GraphQL endpoint on a real server and a real store, with a cluster that is away and a shelf for uploads."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.responses import HTMLResponse

from gql_gateway.api.context import Services
from gql_gateway.api.schema import GatewaySchema
from gql_gateway.cluster.clusters import Clusters
from gql_gateway.cluster.config import ClusterConfig
from gql_gateway.cluster.files import FileEntry, FileKind
from gql_gateway.core.identity import Identity, Role
from gql_gateway.core.paths import parse_writable
from gql_gateway.core.spec import check_spec
from gql_gateway.services.accounts import Accounts
from gql_gateway.services.audit import Audit
from gql_gateway.services.changes import Changes
from gql_gateway.services.files import Files
from gql_gateway.services.jobs import Jobs
from gql_gateway.services.room import Room
from gql_gateway.services.runs import Runs
from gql_gateway.services.uploads import UploadLimits, Uploads
from gql_gateway.services.users import Users
from gql_gateway.store.database import Database
from gql_gateway.store.tables import User
from gql_gateway.watcher.run import Watcher, WatcherOptions
from gql_gateway.web.auth import ApiTokens, TokenSource
from gql_gateway.web.door import Door, DoorOptions
from gql_gateway.web.endpoint import EndpointOptions, GraphQLEndpoint
from gql_gateway.web.errors import HANDLERS
from gql_gateway.web.metrics import Metrics
from gql_gateway.web.middleware import Surroundings
from gql_gateway.web.statuses import Statuses
from tests.store.rows import a_user
from tests.web.serving import served

ADA = "ada@example.org"
SPEC = check_spec({"name": "water", "image": "docker://busybox"}).model_dump(mode="json")
DOOR = DoorOptions(revocation_seconds=0.1, requests_per_minute=100_000, subscriptions=20)
OPTIONS = EndpointOptions(request_bytes=10_000, hello_seconds=0.5, operations_per_socket=5)


class Shelf(Files):
    """Takes uploads in place of a cluster: keeps their sizes, and what broke them off."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.clear()

    def clear(self) -> None:
        self.sizes: dict[str, int] = {}
        self.broken: list[str] = []
        self.begun, self.over = asyncio.Event(), asyncio.Event()

    async def upload(
        self, identity: Identity, job_id: str | None, path: str, chunks: AsyncIterator[bytes]
    ) -> FileEntry:
        await self._jobs.require(identity, job_id)
        name, size = str(parse_writable(path)), 0
        try:
            async for chunk in chunks:
                size += len(chunk)
                self.begun.set()
        except BaseException as error:
            self.broken.append(str(error))
            raise
        finally:
            self.over.set()
        self.sizes[name] = size
        return FileEntry(name, name, FileKind.FILE, size, datetime.now(UTC), 0o600, "u", "g")


@dataclass
class Running:
    """An endpoint that answers, and Ada, who has a token."""

    url: str
    database: Database
    shelf: Shelf
    ada: User
    tokens: ApiTokens
    token: str

    @property
    def endpoint(self) -> str:
        return f"{self.url}/graphql"

    @property
    def socket(self) -> str:
        return self.endpoint.replace("http", "ws", 1)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@asynccontextmanager
async def running(
    store: Path | str,
    options: EndpointOptions = OPTIONS,
    door_options: DoorOptions = DOOR,
    platform: Sequence[TokenSource] = (),
) -> AsyncIterator[Running]:
    """Serve an endpoint on a migrated store, by its file or URL."""
    database = Database(store if isinstance(store, str) else f"sqlite+aiosqlite:///{store}")
    await database.signal.start()
    try:
        clusters = Clusters([_away()], lambda *_: None, {})
        users = Users(database, clusters, Accounts(clusters, {}))
        jobs = Jobs(database, clusters, users)
        room = Room(clusters)
        shelf = Shelf(database, clusters, jobs, room)
        tokens = ApiTokens(database)
        door = Door([tokens, *platform], door_options)
        services = Services(
            users=users,
            jobs=jobs,
            runs=Runs(database, clusters, jobs, Watcher(database, clusters, WatcherOptions()).submitter),
            files=shelf,
            uploads=Uploads(database, clusters, jobs, room, UploadLimits(1024, timedelta(hours=1))),
            changes=Changes(database, users, jobs),
            clusters=Statuses(database, ("local",)),
            sign_download=lambda *_: "http://x",
            sign_archive=lambda *_: "http://x",
            sign_upload=lambda *_: "http://x",
            tokens=tokens,
            audit=Audit(database),
            subscription=door.allowance.subscription,
        )
        endpoint = GraphQLEndpoint(GatewaySchema(), services, door, lambda: HTMLResponse("explorer"), options)
        app = Starlette(routes=endpoint.routes, exception_handlers=HANDLERS, max_body_size=4096)
        ada = await a_user(database, ADA)
        _, token = await tokens.create(ADA, "Ada", Role.USER, None)
        async with served(Surroundings(app, Metrics())) as url:
            yield Running(url, database, shelf, ada, tokens, token)
        await services.changes.rest()
    finally:
        await database.close()


def _away() -> ClusterConfig:
    nothing = Path("/nonexistent")
    return ClusterConfig("local", "127.0.0.1", 1, "nobody", nothing, nothing, "/scratch")
