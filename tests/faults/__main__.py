"""The long form of the kill bench: `python -m tests.faults [--rounds 100] [--seed N]`."""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from slurm_site import SiteOptions, SlurmSite
from tests.faults.bench import Bench, MortalGateway, schedule
from tests.faults.nursery import Nursery
from tests.faults.verdicts import Reckoning


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    points = schedule(options.rounds, options.seed)
    print(f"{options.rounds} rounds with 10 jobs each, seed {options.seed}", flush=True)
    for point, number in sorted(Counter(points).items()):
        print(f"  {number:3} x {point}", flush=True)
    with SlurmSite(SiteOptions()) as site, Nursery() as nursery, tempfile.TemporaryDirectory() as folder:
        bench = Bench(site, MortalGateway(nursery, site, Path(folder)), options.seed)
        started = time.monotonic()
        result = asyncio.run(bench.run(points))
        report(bench, result, time.monotonic() - started)
        if result.faults:
            kept = Path(tempfile.gettempdir()) / f"faults-{options.seed}.log"
            kept.write_text(bench.gateway.log.read_text())
            print(f"the gateway's log: {kept}")
    return 1 if result.faults else 0


def report(bench: Bench, result: Reckoning, seconds: float) -> None:
    tally, ready = bench.tally, sorted(bench.tally.ready)
    print(f"rounds {tally.rounds} (point not reached in {tally.not_reached}), jobs {result.jobs}, {seconds:.0f} s")
    print(f"lost {len(result.lost)}, doubled {len(result.doubled)}, wrong {len(result.wrong)}")
    print(f"log: missing, doubled or illegal events {len(result.log)}; files half written {len(result.files)}")
    half, most = statistics.median(ready), ready[int(0.95 * (len(ready) - 1))]
    print(f"from the kill until ready again: median {half:.2f} s, 95 % within {most:.2f} s, longest {ready[-1]:.2f} s")
    print(f"after the last kill until every job had ended: {tally.settled:.1f} s")
    for fault in result.faults[:50]:
        print(f"  {fault}")


if __name__ == "__main__":
    sys.exit(main())
