"""Which pages of other origins may call the API from a browser, and with what."""

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from gql_gateway.web.requests import PREFLIGHTED
from gql_gateway.web.tus import ANSWER_HEADERS, REQUEST_HEADERS

_ASKED_WITH = (
    *("Authorization", "Content-Type", "Range", "If-Range", "Want-Repr-Digest", "X-Request-ID"),
    *PREFLIGHTED,  # which clients send with uploads to show that they were let in
)
_TOLD_WITH = (
    *("Accept-Ranges", "Content-Disposition", "Content-Range", "ETag", "Repr-Digest", "Retry-After"),
    *("WWW-Authenticate", "X-Request-ID"),
)


def cors(origins: tuple[str, ...]) -> list[Middleware]:
    """Let pages of these origins call the API; none are let in by default. Cookies are never used."""
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=[*_ASKED_WITH, *REQUEST_HEADERS],
            expose_headers=[*_TOLD_WITH, *ANSWER_HEADERS],
            max_age=3600,
        )
    ]
