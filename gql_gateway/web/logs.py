"""Logs on standard error: one JSON line for each event, or colours for people at a terminal."""

import logging
import sys
from typing import Literal

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import Processor

_TALKATIVE = ("asyncssh", "aiosqlite", "asyncio", "alembic", "uvicorn")
"""What these tell at each step, the gateway tells in its own words."""


def configure(level: str, form: Literal["auto", "json", "console"]) -> None:
    """Send structlog's and the standard library's logs to standard error in one form."""
    people = form == "console" or (form == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    rendering = _for_people() if people else _for_machines()
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=rendering))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def _for_people() -> list[Processor]:
    renderer = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    return [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]


def _for_machines() -> list[Processor]:
    # Never with local variables, as structlog would have it: a frame below a request holds its token.
    tracebacks = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
    renderer = structlog.processors.JSONRenderer(default=str)
    return [structlog.stdlib.ProcessorFormatter.remove_processors_meta, tracebacks, renderer]
