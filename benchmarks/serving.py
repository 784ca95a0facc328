"""The gateway with bare routes beside it, in one process: what a figure of the gateway is compared with.

    python -m benchmarks.serving gateway.toml

POST /bare/one and /bare/list parse a JSON body and answer with a job and with 100 jobs of 6 fields that lie ready as
Python objects. /bare/sql/one and /bare/sql/list read them from the gateway's SQLite store first, by plain SQL that is
handed to sqlite3 in the event loop, and answer with what they find, as it is: no library could read it in less. No
token, no log, no metrics.
"""

import asyncio
import sqlite3
import sys
from pathlib import Path
from typing import Any

import orjson
import uvicorn
from sqlalchemy.engine import make_url
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gql_gateway.cli.options import make_ready, settings_of
from gql_gateway.cli.server import tune, uvicorn_config
from gql_gateway.settings import Settings
from gql_gateway.store.database import Database
from gql_gateway.web import logs
from gql_gateway.web.app import create_app, signing_keys

FIELDS = ("id", "name", "state", "createdAt", "slurmJobId", "exitCode")
_COLUMNS = "id, name, state, created_at, slurm_job_id, exit_code"
_JOB = dict(zip(FIELDS, ("job_" + 32 * "0", "water", "COMPLETED", "2026-01-01T00:00:00+00:00", "17", 0), strict=True))


class Bare:
    """Routes without a gateway around them."""

    def __init__(self, store: Path) -> None:
        self._store = sqlite3.connect(store, isolation_level=None)
        self.app = Starlette(
            routes=[
                Route("/bare/one", self.one, methods=["POST"]),
                Route("/bare/list", self.many, methods=["POST"]),
                Route("/bare/sql/one", self.sql_one, methods=["POST"]),
                Route("/bare/sql/list", self.sql_list, methods=["POST"]),
            ]
        )

    async def one(self, request: Request) -> Response:
        return _answer(await request.json(), _JOB)

    async def many(self, request: Request) -> Response:
        return _answer(await request.json(), [_JOB] * 100)

    async def sql_one(self, request: Request) -> Response:
        asked = await request.json()
        key = asked["variables"]["id"].removeprefix("job_")
        rows = self._read(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", key)
        return _answer(asked, rows[0])

    async def sql_list(self, request: Request) -> Response:
        asked = await request.json()
        return _answer(asked, self._read(f"SELECT {_COLUMNS} FROM jobs ORDER BY id DESC LIMIT 100"))

    def _read(self, statement: str, *values: object) -> list[dict[str, Any]]:
        return [dict(zip(FIELDS, row, strict=True)) for row in self._store.execute(statement, values)]


def _answer(_asked: object, data: object) -> Response:
    return Response(orjson.dumps({"data": data}), media_type="application/json")


def beside(bare: ASGIApp, gateway: ASGIApp) -> ASGIApp:
    """Both as one application."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        chosen = bare if scope.get("path", "").startswith("/bare/") else gateway
        await chosen(scope, receive, send)

    return app


async def _prepare(settings: Settings) -> tuple[str, ...]:
    database = Database(settings.store.database)
    try:
        await make_ready(database)
        return await signing_keys(settings, database)
    finally:
        await database.close()


def main() -> None:
    settings = settings_of(Path(sys.argv[1]))
    logs.configure(settings.logging.level, settings.logging.format)
    app = create_app(settings, asyncio.run(_prepare(settings)))
    tune()
    bare = Bare(Path(make_url(settings.store.database).database or ""))
    uvicorn.Server(uvicorn_config(settings, beside(bare.app, app.asgi))).run()


if __name__ == "__main__":
    main()
