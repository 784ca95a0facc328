"""The command line: python3 -m slurm_site check|build|up|status|shell."""

import argparse
import dataclasses
import os
import signal
import sys
from typing import NoReturn

from slurm_site import SiteError, SiteOptions, SlurmSite, build, host, instances
from slurm_site.options import RELEASES
from slurm_site.process import CLEAN, inside, say


def check(options: SiteOptions) -> int:
    built = build.rootfs(options.debian).exists()
    reasons = host.obstacles(options, built=built)
    for reason in reasons:
        print(reason)
    if not reasons:
        print(f"this machine can host the site ({options.debian}: {'built' if built else 'not built yet'})")
    return 1 if reasons else 0


def up(options: SiteOptions) -> int:
    """One site in the foreground, until Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with SlurmSite(options) as site:
        print(cluster_section(site), flush=True)
        say("running until Ctrl-C; a root shell in it: python3 -m slurm_site shell")
        try:
            signal.pause()
        except KeyboardInterrupt:
            say("closing")
    return 0


def cluster_section(site: SlurmSite) -> str:
    """What to paste into gateway.toml."""
    return f"""[[clusters]]
name = "site"
host = "{site.host}"
port = {site.port}
username = "{site.username}"
private_key = "{site.private_key}"
known_hosts = "{site.known_hosts}"
root = "{site.root}"
container = "singularity"
image_allow = ["/opt/img/*.sif"]
"""


def status() -> int:
    for slot, notes in instances.running():
        print(f"site {slot}: {notes['debian']}, sshd on port {notes['port']}, process {notes['pid']}")
    return 0


def shell(slot: int | None, command: list[str]) -> NoReturn:
    """Become a root shell (or a command) inside a running site."""
    sites = dict(instances.running())
    if not sites or slot not in {None, *sites}:
        raise SiteError("no such site is running: python3 -m slurm_site up")
    notes = sites[max(sites) if slot is None else slot]
    terminal = {"TERM": os.environ.get("TERM", "dumb"), "HOME": "/root"}
    argv = inside(notes["pid"], command or ["bash"])
    os.execvpe(argv[0], argv, CLEAN | terminal)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="slurm_site", description="A real Slurm cluster on this machine.")
    verbs = top.add_subparsers(dest="verb", required=True)
    for verb, text in {
        "check": "say whether this machine can host the site",
        "build": "build the root filesystem, if it is not built yet",
        "up": "run a site until Ctrl-C",
    }.items():
        add_options(verbs.add_parser(verb, help=text))
    verbs.add_parser("status", help="list the running sites")
    entering = verbs.add_parser("shell", help="a root shell, or a command, in a running site")
    entering.add_argument("--slot", type=int, help="which, as `status` counts (default: the last)")
    entering.add_argument("command", nargs="*")
    return top


def add_options(verb: argparse.ArgumentParser) -> None:
    """One option for each field of SiteOptions."""
    for field in dataclasses.fields(SiteOptions):
        name = f"--{field.name.replace('_', '-')}"
        if isinstance(field.default, bool):
            verb.add_argument(name, action=argparse.BooleanOptionalAction, default=field.default)
        elif field.name == "debian":
            verb.add_argument(name, choices=RELEASES, default=field.default)
        else:
            verb.add_argument(name, type=int if isinstance(field.default, int) else str, default=field.default)


def main() -> int:
    arguments = vars(parser().parse_args())
    verb = arguments.pop("verb")
    try:
        if verb == "shell":
            shell(arguments["slot"], arguments["command"])
        if verb == "status":
            return status()
        options = SiteOptions(**arguments)
        if verb == "build":
            print(build.ensure(options.debian))
            return 0
        return check(options) if verb == "check" else up(options)
    except SiteError as error:
        say(str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main())
