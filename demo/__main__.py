"""`make demo`: the site, a gateway on it, the day; then, at a terminal, a gateway to play with until Ctrl-C."""

import asyncio
import os
import signal
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from demo.day import Day
from demo.gateway import GatewayProcess
from demo.show import StepFailed, say, step
from slurm_site import SiteError, SiteOptions, SlurmSite
from slurm_site.build import ensure

HELP = "To use a cluster of your own instead: `gql-gateway serve --config gateway.toml` (see README.md)."


def main() -> int:
    """Run the demo; 0 only if every step was true."""
    started = time.monotonic()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is stopped
    try:
        return _demo(started)
    except (StepFailed, SiteError) as failed:
        say(f"\nThe demo stopped: {failed}\n{HELP}")
        return 1
    except KeyboardInterrupt:
        say("\nStopped; nothing is left running.")
        return 130


def _demo(started: float) -> int:
    say("A real Slurm cluster on this machine (Slurm, munge, slurmdbd, MariaDB, sshd, Apptainer)")
    ensure(SiteOptions().debian)
    with step("boot the site"):
        site = SlurmSite(SiteOptions())
    with ExitStack() as started_things:
        started_things.enter_context(site)
        with step("start the gateway"):
            folder = started_things.enter_context(tempfile.TemporaryDirectory(prefix="gql-gateway-demo-"))
            gateway = started_things.enter_context(GatewayProcess(site, Path(folder), name="demo", port=8000))
            token = gateway.token("marie.curie@example.org", name="Marie Curie")
        say("\nA scientist's day, through the public API")
        asyncio.run(Day(gateway.url, token, site.image).live())
        say(f"\nEvery step was true, in {time.monotonic() - started:.0f} s.")
        if sys.stdout.isatty() and os.environ.get("CI") != "true":
            _leave_running(gateway, token)
    return 0


def _leave_running(gateway: GatewayProcess, token: str) -> None:
    say(f"""
The gateway goes on until Ctrl-C:
  GraphiQL    {gateway.url}/graphql
  dashboard   {gateway.url}/
  token       {token}
  terminal    .venv/bin/hpc login {gateway.url}
  its log     {gateway.log}
Paste the token there, or into GraphiQL's Headers tab: {{"Authorization": "Bearer {token}"}}""")
    try:
        signal.pause()
    except KeyboardInterrupt:
        say("\nStopping the gateway and the cluster …")


if __name__ == "__main__":
    sys.exit(main())
