"""What a job used of the cluster, and what Slurm says when it would start."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor time over all cores in seconds, the most memory of one task in bytes, and the nodes it ran on.

    None where the site does not measure it.
    """

    cpu_seconds: float | None
    peak_memory: int | None
    nodes: str | None


@dataclass(frozen=True, slots=True)
class Forecast:
    """What Slurm would do with a job if it were submitted now; `words` are its own."""

    words: str
    expected_start_at: datetime | None
    partition: str | None
    nodes: str | None
