"""When to connect and when to wait: after a failure, and for each other.

OpenSSH from 9.8 on locks an address out after a few failed logins, so whoever logs in from here, as whichever account,
does so one at a time, with growing waits.
"""

import asyncio
import random
from dataclasses import dataclass, field
from math import inf
from time import monotonic

import asyncssh

from gql_gateway.core.errors import ClusterUnavailable

LONGEST_WAIT = 15.0
WAIT_AFTER_REFUSAL = 30.0
BETWEEN_REFUSALS = 15.0
"""sshd (from 9.8 on) notes 5 s against the address for each refused login and shuts it out from 15 s on: with one
refusal in this time nothing adds up, however many accounts do not know the gateway's key."""
OTHERS_REFUSED = "A login of another account was refused just now: the next try is in a few seconds."


@dataclass(slots=True)
class Wait:
    """A wait that grows with every failure in a row."""

    failures: int = 0
    until: float = 0.0
    words: str = ""

    def check(self) -> None:
        """Raise what the last try said while it is too early for the next."""
        if monotonic() < self.until:
            raise ClusterUnavailable(self.words)

    def failed(self, words: str, least: float) -> None:
        """Wait longer each time, and at least so many seconds."""
        self.failures += 1
        wait = max(least, min(LONGEST_WAIT, 0.5 * 2 ** min(self.failures - 1, 10)))
        self.until = max(self.until, monotonic() + wait * random.uniform(1.0, 1.25))  # noqa: S311 - jitter
        self.words = words


@dataclass(slots=True)
class Host:
    """What all accounts on one login node share: they connect one at a time, and wait together where it is away."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    wait: Wait = field(default_factory=Wait)
    refusal: Wait = field(default_factory=Wait)
    """Behind a refused login, for accounts that did not log in before: they may be refused too."""


@dataclass(slots=True)
class Door:
    """What the lanes of one account share."""

    host: Host = field(default_factory=Host)
    wait: Wait = field(default_factory=Wait)
    known: bool = False
    """Whether its last login succeeded."""

    def check(self) -> None:
        """Raise what the last try said while it is too early for the next."""
        self.wait.check()
        self.host.wait.check()
        if not self.known:
            self.host.refusal.check()

    def failed(self, error: Exception, words: str) -> None:
        """Wait: this account where its key is at fault, else all; longer where the host was there but trust failed."""
        if isinstance(error, asyncssh.PermissionDenied):
            self.known = False
            self.wait.failed(words, WAIT_AFTER_REFUSAL)
            self.host.refusal.failed(OTHERS_REFUSED, BETWEEN_REFUSALS)
        elif isinstance(error, asyncssh.KeyImportError | asyncssh.KeyEncryptionError) or file_of(error):
            self.wait.failed(words, 0.0)
        else:
            trust = isinstance(error, asyncssh.HostKeyNotVerifiable)
            self.host.wait.failed(words, WAIT_AFTER_REFUSAL if trust else 0.0)

    def opened(self) -> None:
        """Somebody got in: whoever fails next waits but briefly."""
        self.known = True
        self.wait.failures = self.host.wait.failures = 0

    def shut(self) -> None:
        """Let nobody connect any more."""
        self.wait.until, self.wait.words = inf, "The gateway is shutting down."


def file_of(error: Exception) -> str | None:
    """The file here that could not be read, where that is what went wrong."""
    return error.filename if isinstance(error, FileNotFoundError | IsADirectoryError | PermissionError) else None
