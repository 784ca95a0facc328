"""Server-sent events, as lines that every client understands."""

from strawberry.http.streaming import SSETransport


class Events(SSETransport):
    """Events whose lines end with LF.

    Strawberry (0.341.2) ends them with CR LF. The standard allows it, but urql 6.0.3 (`fetchSubscriptions`) splits at
    two line feeds and waits for ever. (Upstream: `SSETransport.encode_event` and `encode_comment`.)
    """

    def encode_event(self, event: str, data: str | None = None) -> str:
        """One event."""
        return super().encode_event(event, data).replace("\r\n", "\n")

    def encode_comment(self, comment: str) -> str:
        """A line that is no event, and keeps the connection open."""
        return f": {comment}\n\n"
