"""`serve`, and what can be known of it without starting it: `schema` and `settings`."""

import asyncio
import gc
import resource
import socket
from collections.abc import Awaitable, Callable

import structlog
import typer
import uvicorn
from starlette.types import ASGIApp

from gql_gateway.api.schema import sdl
from gql_gateway.cli.options import Config, make_ready, settings_of
from gql_gateway.settings import Settings
from gql_gateway.settings.page import page
from gql_gateway.store.database import Database
from gql_gateway.web import logs
from gql_gateway.web.app import create_app, signing_keys
from gql_gateway.web.connections import Patience, protocols

log = structlog.get_logger()


def serve(config: Config = None) -> None:
    """Run the gateway until SIGTERM or Ctrl-C.

    The cluster may be away: the gateway starts, says so, and recovers by itself. An SQLite store is brought up to date
    first; a PostgreSQL store that is behind is not touched, and `gql-gateway migrate` is asked for.
    """
    settings = settings_of(config)
    logs.configure(settings.logging.level, settings.logging.format)
    signing = asyncio.run(_prepare(settings))
    app = create_app(settings, signing)
    tune()
    log.info("starting", address=settings.server.url)
    _Server(uvicorn_config(settings, app.asgi), app.say_goodbye).run()


def schema() -> None:
    """Print the GraphQL schema."""
    typer.echo(sdl(), nl=False)


def settings() -> None:
    """Print every key of the configuration with its variable, default and meaning, as Markdown."""
    typer.echo(page(), nl=False)


class _Server(uvicorn.Server):
    """uvicorn, which by itself closes a WebSocket without a word and cuts an event stream in the middle."""

    def __init__(self, config: uvicorn.Config, say_goodbye: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._say_goodbye = say_goodbye

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell open streams, then finish running requests within the bound."""
        await self._say_goodbye()
        await super().shutdown(sockets)


async def _prepare(settings: Settings) -> tuple[str, ...]:
    """See that the store can be used; returns the keys that sign URLs."""
    database = Database(settings.store.database)
    try:
        await make_ready(database)
        return await signing_keys(settings, database)
    finally:
        await database.close()


def tune() -> None:
    """Room for thousands of subscribers; call it once everything that stays was made."""
    # What was imported and made so far is never garbage: no collection need look at it again.
    gc.collect()
    gc.freeze()
    # Each event makes many small objects and no cycles: with Python's own thresholds a third of the time of a fan-out
    # to 2,000 subscribers went into collections (7.9 against 11 thousand events a second).
    gc.set_threshold(50_000, 20, 20)
    # Each connection is a file; 1,024, the usual soft limit, is soon used up.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def uvicorn_config(settings: Settings, app: ASGIApp) -> uvicorn.Config:
    """How the application is served."""
    server, limits = settings.server, settings.limits
    http, sockets = protocols(Patience(limits.head_bytes, limits.head_seconds, limits.stall_seconds))
    return uvicorn.Config(
        app,
        host=server.host,
        port=server.port,
        loop="uvloop",
        http=http,
        ws=sockets,
        # 82 KiB a connection with it, 42 without; the messages are small.
        ws_per_message_deflate=False,
        ws_max_size=limits.request_bytes,
        # Longer than proxies and clients keep an idle connection (nginx 60 s): with uvicorn's 5 s, a burst of requests
        # ran into connections that were being closed that moment.
        timeout_keep_alive=75,
        # An open event stream never ends by itself: without this bound neither would a SIGTERM.
        timeout_graceful_shutdown=server.shutdown_seconds,
        forwarded_allow_ips=server.trusted_proxies,
        server_header=False,
        access_log=False,
        log_config=None,
    )
