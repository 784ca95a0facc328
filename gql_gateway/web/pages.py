"""The pages for people: the dashboard at `/`, GraphiQL at `/graphql`, and the files they are made of."""

from pathlib import Path

from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC = Path(__file__).parent / "static"
_CLOSED = "default-src 'none'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'"
_DASHBOARD_POLICY = f"{_CLOSED}; form-action 'none'; style-src 'self'; img-src 'self' data:"
# GraphiQL's editor writes style attributes and elements, and its style sheet holds fonts as data.
_GRAPHIQL_POLICY = (
    f"{_CLOSED}; form-action 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src data:"
)


class Pages:
    """Reads the pages once, when the gateway starts."""

    def __init__(self) -> None:
        self._dashboard = (STATIC / "dashboard.html").read_text()
        self._graphiql = (STATIC / "graphiql.html").read_text()
        self.routes = (
            Route("/", self.dashboard, methods=["GET"]),
            Mount("/static", _Static(directory=STATIC), middleware=[Middleware(GZipMiddleware, compresslevel=6)]),
        )

    async def dashboard(self, _request: Request) -> Response:
        """The dashboard."""
        return _page(self._dashboard, _DASHBOARD_POLICY)

    def graphiql(self) -> Response:
        """The explorer, for a browser that opens the endpoint."""
        return _page(self._graphiql, _GRAPHIQL_POLICY)


class _Static(StaticFiles):
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        # Asked for again each time, answered with 304: a new version is seen at once.
        response.headers["Cache-Control"] = "no-cache"
        return response


def _page(html: str, policy: str) -> Response:
    return HTMLResponse(html, headers={"Content-Security-Policy": policy, "Cache-Control": "no-cache"})
