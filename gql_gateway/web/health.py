"""/healthz: the process answers. /readyz: it can do its work. /metrics: how it goes."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gql_gateway import __version__
from gql_gateway.core.errors import Unavailable
from gql_gateway.store import jobs
from gql_gateway.store.database import Database
from gql_gateway.store.tables import ClusterStatus
from gql_gateway.watcher.run import Watcher
from gql_gateway.web.metrics import Metrics
from gql_gateway.web.statuses import Statuses

_NOT_COMPARED = "The jobs have not been compared with Slurm since the start yet."


class Health:
    """Answers from the database alone. A cluster counts as unknown when its last look is older than `stale`."""

    def __init__(
        self, database: Database, statuses: Statuses, watcher: Watcher, metrics: Metrics, stale: timedelta
    ) -> None:
        self._database = database
        self._statuses = statuses
        self._watcher = watcher
        self._metrics = metrics
        self._stale = stale
        self.routes = (
            Route("/healthz", self.alive, methods=["GET"]),
            Route("/readyz", self.ready, methods=["GET"]),
            Route("/metrics", self.measured, methods=["GET"]),
        )

    async def alive(self, _request: Request) -> Response:
        """200 as long as the event loop turns."""
        return _json({"status": "ok", "version": __version__})

    async def ready(self, _request: Request) -> Response:
        """200 where the database and every cluster answer, else 503 with the reasons."""
        try:
            await self._database.check()
            reasons = {status.name: self._why_not(status) for status in await self._statuses.statuses()}
        except Unavailable as error:
            return _json({"ready": False, "database": _state(str(error)), "clusters": {}})
        body = {name: _state(reason) for name, reason in reasons.items()}
        return _json({"ready": not any(reasons.values()), "database": _state(None), "clusters": body})

    async def measured(self, _request: Request) -> Response:
        """Prometheus' text form; numbers from the database are left as they were where it does not answer."""
        with suppress(Unavailable):
            async with self._database.reading() as session:
                self._metrics.jobs(await jobs.count_by_state(session, owner_id=None))
            for status in await self._statuses.statuses():
                checked_at = status.checked_at.timestamp() if status.checked_at else 0
                self._metrics.cluster(status.name, available=status.available, checked_at=checked_at)
        return Response(self._metrics.page(), headers={"Content-Type": self._metrics.content_type})

    def _why_not(self, status: ClusterStatus) -> str | None:
        if not status.available:
            return status.message or "The cluster does not answer."
        if status.checked_at is None or datetime.now(UTC) - status.checked_at > self._stale:
            return f"Nobody has looked at this cluster since {status.checked_at:%Y-%m-%dT%H:%M:%SZ}."
        return None if self._watcher.reconciled(status.name) else _NOT_COMPARED


def _state(reason: str | None) -> dict[str, object]:
    return {"ok": reason is None} | ({"reason": reason} if reason else {})


def _json(body: dict[str, object]) -> JSONResponse:
    status = HTTPStatus.OK if body.get("ready", True) else HTTPStatus.SERVICE_UNAVAILABLE
    return JSONResponse(body, status, {"Cache-Control": "no-store"})
