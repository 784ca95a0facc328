"""A clock that is set while those who read it run.

libfaketime, of Debian's package `faketime`, stands between a program and its C library and adds what a file says, which
is read anew at every look at the clock. Only what people mean by the time is set: the steady clock (CLOCK_MONOTONIC)
goes on, as it does where an administrator or NTP sets a machine's clock. (A time namespace moves the steady clock and
not this one.)
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.client import Client

RIGHT = timedelta()


class Clock:
    """A clock and those who live by it: processes that are started with its `environment`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(RIGHT)
        self.environment = {
            "LD_PRELOAD": str(_library()),
            "FAKETIME_TIMESTAMP_FILE": str(file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
            # Else (0.9.10) a thread of Python's that waits for the interpreter waits for ever, while another computes.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
        }

    def set(self, ahead: timedelta) -> None:
        """Set it so far ahead of the real time, or behind."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{round(ahead.total_seconds()):+d}")
        new.replace(self._file)


def ahead(client: Client) -> timedelta:
    """How far a gateway's clock is ahead of the real time, to the minute."""
    told = datetime.fromisoformat(client.ask("{ heartbeat { time } }")["heartbeat"]["time"])
    return timedelta(minutes=round((told - datetime.now(UTC)).total_seconds() / 60))


def _library() -> Path:
    found = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
    if found is None:
        raise FileNotFoundError("The tests need libfaketime: on Debian the package `faketime`.")
    return found
