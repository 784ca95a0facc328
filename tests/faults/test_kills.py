"""The kill bench in its short form: the points where most is at stake. The long form is `python -m tests.faults`."""

import asyncio
from pathlib import Path

from slurm_site import SlurmSite
from tests.faults.bench import AT_ANY_TIME, Bench, MortalGateway
from tests.faults.nursery import Nursery

POINTS = [
    "sbatch: on its way",
    "sbatch: answered, not recorded",
    "upload: bytes on their way",
    "scancel: on its way",
    AT_ANY_TIME,
]


def test_whatever_is_killed_when_each_job_runs_once_and_its_state_is_slurms(
    frail: SlurmSite, nursery: Nursery, tmp_path: Path
) -> None:
    bench = Bench(frail, MortalGateway(nursery, frail, tmp_path), seed=1)
    result = asyncio.run(bench.run(POINTS))
    assert result.faults == []
    assert result.jobs == 10 * len(POINTS)
    assert bench.tally.not_reached <= 1, "the points are passed"
