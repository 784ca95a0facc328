"""`make demo`: the site, a gateway on it, the day; then, at a terminal, a gateway to play with until Ctrl-C."""

import asyncio
import os
import signal
import sys
import time
from contextlib import ExitStack

from demo.day import Day
from demo.gateway import Gateway, gateway
from demo.show import StepFailed, say, step
from slurm_site import SiteError, SiteOptions, SlurmSite
from slurm_site.build import build

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
    build(SiteOptions().debian)
    with step("boot the site"):
        site = SlurmSite(SiteOptions())
    with ExitStack() as started_things:
        started_things.enter_context(site)
        with step("start the gateway"):
            running = started_things.enter_context(gateway(site))
        say("\nA scientist's day, through the public API")
        asyncio.run(Day(running.url, running.token, site.image).live())
        say(f"\nEvery step was true, in {time.monotonic() - started:.0f} s.")
        if sys.stdout.isatty() and os.environ.get("CI") != "true":
            _leave_running(running)
    return 0


def _leave_running(running: Gateway) -> None:
    say(f"""
The gateway goes on until Ctrl-C:
  GraphiQL    {running.url}/graphql
  dashboard   {running.url}/
  token       {running.token}
  its log     {running.log}
Paste the token into the dashboard, or in GraphiQL's Headers tab: {{"Authorization": "Bearer {running.token}"}}""")
    try:
        signal.pause()
    except KeyboardInterrupt:
        say("\nStopping the gateway and the cluster …")


if __name__ == "__main__":
    sys.exit(main())
