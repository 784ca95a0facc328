"""The long form of the attacks: `python -m tests.attack [--seconds 60] [--only NAME]`. Ends with 1 if one succeeds."""

import argparse
import sys
import tempfile
import time
from pathlib import Path

from slurm_site import SiteOptions, SlurmSite
from tests.attack.every import ATTACKS
from tests.attack.tally import Tally
from tests.attack.world import open_gateway, peopled


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="how long attacks that race go on")
    parser.add_argument("--only", choices=ATTACKS, action="append")
    options = parser.parse_args()
    escaped = tried = 0
    with (
        SlurmSite(SiteOptions()) as site,
        tempfile.TemporaryDirectory() as name,
        open_gateway(site, Path(name)) as gateway,
        peopled(site, gateway, Path(name), options.seconds) as world,
    ):
        for attack in options.only or ATTACKS:
            tally, began = Tally(), time.monotonic()
            ATTACKS[attack](world, tally)
            print(f"{attack:26} {tally}, {time.monotonic() - began:.0f} s", flush=True)
            for line in tally.escaped:
                print(f"  {line}", flush=True)
            escaped, tried = escaped + len(tally.escaped), tried + tally.tried.total()
    print(f"{len(options.only or ATTACKS)} attacks, tried {tried:,}, escaped {escaped}")
    return 1 if escaped else 0


if __name__ == "__main__":
    sys.exit(main())
