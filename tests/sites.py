"""Sites of other kinds: `python -m tests.sites [KIND …]` lives a user's day on each and prints what came of it."""

import argparse
import re
import subprocess
import sys
import time
from dataclasses import asdict, replace

from slurm_site import SiteOptions

KINDS: dict[str, SiteOptions] = {
    "usual": SiteOptions(),
    "bookworm": SiteOptions(debian="bookworm"),
    "sid": SiteOptions(debian="sid"),
    "no-accounting": SiteOptions(accounting=False),
    "forgetful": SiteOptions(min_job_age=2),
    "forgetful-no-accounting": SiteOptions(min_job_age=2, accounting=False),
    "three-sessions": SiteOptions(max_sessions=3),
    "banner": SiteOptions(banner=True),
    "german": SiteOptions(locale="de_DE.UTF-8"),
}
SUITE = ["tests/e2e/test_day.py"]
WORDS = ["tests/faults/test_slurm.py", "tests/faults/test_preemption.py"]
"""What happens to jobs in Slurm's words: run too, in its long form, where Slurm is of another version."""


def of_kind(kind: SiteOptions, wish: SiteOptions) -> SiteOptions:
    """A site of a kind, with whatever a test wishes that is not as usual."""
    wishes, usual = asdict(wish), asdict(SiteOptions())
    return replace(kind, **{name: value for name, value in wishes.items() if value != usual[name]})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", type=_kind, metavar="KIND", help=f"of {', '.join(KINDS)}")
    worst = 0
    for kind in parser.parse_args().kinds or [kind for kind in KINDS if kind != "usual"]:
        began = time.monotonic()
        suite = SUITE if KINDS[kind].debian == SiteOptions().debian else [*SUITE, *WORDS, "--long"]
        command = [sys.executable, "-m", "pytest", "-q", "--no-header", "--timeout=300", f"--site={kind}", *suite]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        worst = max(worst, done.returncode)
        summary = done.stdout.rstrip().rpartition("\n")[2]
        print(f"{kind:24} {_version(kind):8} {summary} (with boot {time.monotonic() - began:.0f} s)", flush=True)
        if done.returncode:
            print(re.sub(r"(?m)^", "    ", done.stdout[-6000:]), flush=True)
    return worst


def _kind(name: str) -> str:
    if name not in KINDS:
        raise argparse.ArgumentTypeError(f"{name} is none of {', '.join(KINDS)}")
    return name


def _version(kind: str) -> str:
    return {"bookworm": "22.05", "trixie": "24.11", "sid": "26.05"}[KINDS[kind].debian]


if __name__ == "__main__":
    sys.exit(main())
