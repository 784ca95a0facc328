"""Where the attacks take place: a real site, a gateway, a victim, and an attacker with a valid account."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from demo.gateway import GatewayProcess
from slurm_site import SlurmSite
from tests.client import Client

VICTIM, ATTACKER = "victim@example.org", "mallory@example.org"


@dataclass(frozen=True, slots=True)
class World:
    """`seconds` is how long the attacks that race go on; of long lists of tries one in `every` is made.

    `secret` stands in the victim's files and nowhere else.
    """

    site: SlurmSite
    gateway: GatewayProcess
    folder: Path
    seconds: float
    every: int
    secret: str
    victim: Client
    attacker: Client
    nobody: httpx.Client
    victims_job: Any

    def on_host(self, path: str) -> Path:
        """A path of the site's, as this machine sees it."""
        return Path(f"{self.site.rootfs}{path}")


def open_gateway(site: SlurmSite, folder: Path) -> GatewayProcess:
    """A gateway with every door that there is."""
    return GatewayProcess(site, folder, more="[marketplace]\nenabled = true\n", cluster="poll_seconds = 2")


@contextmanager
def peopled(site: SlurmSite, gateway: GatewayProcess, folder: Path, seconds: float, every: int = 1) -> Iterator[World]:
    """A world in which the victim has a job with a secret in its folder."""
    secret = f"secret-{secrets.token_hex(12)}"
    with (
        Client.of(gateway, VICTIM) as victim,
        Client.of(gateway, ATTACKER) as attacker,
        httpx.Client(timeout=60) as nobody,
    ):
        victim.create_user()
        attacker.create_user()
        job = victim.create_job("cat x")
        for path in ("x", "c/x", f"{secret}.txt"):
            assert not victim.upload(job["id"], "x", secret.encode(), path)["userErrors"]
        yield World(site, gateway, folder, seconds, every, secret, victim, attacker, nobody, job)
