"""The gateway with a bare WebSocket route beside it, and events that are committed in the same process.

    python -m benchmarks.serving_events gateway.toml

/bare/socket sends one text that lies ready, of an event's length, to everybody at each POST /bare/ring: Starlette on
the gateway's own server, and nothing else. POST /bare/advance takes `{"jobs": […], "state": …}` and brings these jobs
into that state in one transaction of the gateway's own store, as its watcher does. Each answers with the time of it,
and with the processor time that the process had spent by then, as GET /bare/spent does.
"""

import asyncio
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from benchmarks.serving import beside
from gql_gateway.cli.options import settings_of
from gql_gateway.cli.server import tune, uvicorn_config
from gql_gateway.core.states import JobState
from gql_gateway.store import jobs
from gql_gateway.store.database import Database
from gql_gateway.web import logs
from gql_gateway.web.app import create_app, signing_keys

FRAME = '{"id":"1","type":"next","payload":{"data":' + "{" + 150 * "x" + "}}}"


class Bare:
    """Routes without a gateway around them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._next = asyncio.Event()
        self.app = Starlette(
            routes=[
                WebSocketRoute("/bare/socket", self.socket),
                Route("/bare/ring", self.ring, methods=["POST"]),
                Route("/bare/advance", self.advance, methods=["POST"]),
                Route("/bare/spent", self.spent),
            ]
        )

    async def socket(self, socket: WebSocket) -> None:
        """Follow the bell."""
        await socket.accept()
        try:
            while True:
                await self._next.wait()
                await socket.send_text(FRAME)
        except WebSocketDisconnect:
            pass

    async def ring(self, _request: Request) -> Response:
        """Wake everybody who waits, once."""
        self._next.set()
        self._next = asyncio.Event()
        return _figures()

    async def advance(self, request: Request) -> Response:
        """Commit one event for each of these jobs, all together."""
        asked = await request.json()
        async with self._database.transaction() as session:
            for job in await jobs.get_many(session, asked["jobs"]):
                assert await jobs.advance(session, job, JobState(asked["state"]), at=datetime.now(UTC))
        return _figures()

    async def spent(self, _request: Request) -> Response:
        """The time, and processor time."""
        return _figures()


def _figures() -> Response:
    return JSONResponse({"at": time.monotonic(), "spent": time.process_time()})


def main() -> None:
    settings = settings_of(Path(sys.argv[1]))
    logs.configure(settings.logging.level, settings.logging.format)
    database = Database(settings.store.database)
    signing = asyncio.run(signing_keys(settings, database))
    # The very store that the gateway uses: on SQLite its followers hear only of what is committed through it.
    with patch("gql_gateway.web.app.Database", return_value=database):
        app = create_app(settings, signing)
    tune()
    uvicorn.Server(uvicorn_config(settings, beside(Bare(database).app, app.asgi))).run()


if __name__ == "__main__":
    main()
