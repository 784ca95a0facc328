"""A Slurm cluster as a whole: its partitions, its version, its settings, whether it answers. Text in, values out."""

import re
from dataclasses import dataclass

from gql_gateway.cluster.slurm import Answer, no_answer
from gql_gateway.core.errors import ClusterUnavailable


@dataclass(frozen=True, slots=True)
class PartitionInfo:
    """One partition. `state` is Slurm's word (up, down, drain, inact); no time limit: None.

    Idle nodes have no job at all; idle processors may be on nodes that run something.
    """

    name: str
    is_default: bool
    state: str
    time_limit_seconds: int | None
    nodes: int
    idle_nodes: int
    cpus: int
    idle_cpus: int


def sinfo() -> list[str]:
    """One row a partition: with a column of the nodes' own (memory, GRES, features) sinfo would print one a kind."""
    return ["sinfo", "--noheader", "--format=%P|%a|%l|%F|%C"]


_COUNTS = r"([0-9]+/[0-9]+/[0-9]+/[0-9]+)"
_ROW = re.compile(rf"([^|*]+)(\*?)\|([a-z]+)\|([^|]+)\|{_COUNTS}\|{_COUNTS}")


def read_partitions(answer: Answer) -> tuple[PartitionInfo, ...]:
    """Every partition that the account may see, in Slurm's order.

    Raises:
        ClusterUnavailable: slurmctld does not answer.
    """
    if answer.exit_code != 0:
        raise no_answer("sinfo", answer)
    rows = map(_ROW.fullmatch, answer.lines())
    return tuple(_partition(*row.groups()) for row in rows if row)


def _partition(name: str, star: str, state: str, limit: str, nodes: str, cpus: str) -> PartitionInfo:
    idle_nodes, all_nodes = _idle_and_total(nodes)
    idle_cpus, all_cpus = _idle_and_total(cpus)
    return PartitionInfo(name, star == "*", state, _seconds(limit), all_nodes, idle_nodes, all_cpus, idle_cpus)


def _idle_and_total(counts: str) -> tuple[int, int]:
    """From `allocated/idle/other/total`."""
    _, idle, _, total = map(int, counts.split("/"))
    return idle, total


def _seconds(limit: str) -> int | None:
    """From `days-hours:minutes:seconds`, each but the last two missing where it is 0; None for `infinite` and `n/a`."""
    match = re.fullmatch(r"(?:([0-9]+)-)?(?:([0-9]+):)?([0-9]+):([0-9]+)", limit)
    if not match:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def ping() -> list[str]:
    """Ask whether slurmctld answers; with it down, this takes 3 to 6 ms where squeue takes 20 s."""
    return ["scontrol", "ping"]


def read_ping(answer: Answer) -> None:
    """Return if a controller is up.

    Raises:
        ClusterUnavailable: none is.
    """
    if " is UP" not in answer.stdout:
        raise ClusterUnavailable(
            "Slurm's controller (slurmctld) does not answer.", answer.stdout.strip() or answer.words
        )


def version() -> list[str]:
    """Ask for Slurm's version, which needs no controller."""
    return ["scontrol", "--version"]


def read_version(answer: Answer) -> str:
    """Such as `24.11.5`; Debian's packages call it `slurm-wlm 24.11.5`.

    Raises:
        ClusterUnavailable: that is no Slurm.
    """
    if match := re.match(r"slurm\S* ([0-9]\S*)", answer.stdout):
        return match[1]
    raise no_answer("scontrol --version", answer)


def config() -> list[str]:
    """Ask for slurmctld's configuration."""
    return ["scontrol", "show", "config"]


def read_config(answer: Answer) -> dict[str, str]:
    """Settings by name, as printed: `{"MinJobAge": "300 sec", …}`.

    Raises:
        ClusterUnavailable: slurmctld does not answer.
    """
    if answer.exit_code != 0:
        raise no_answer("scontrol show config", answer)
    pairs = (line.partition("=") for line in answer.lines())
    return {name.strip(): value.strip() for name, separator, value in pairs if separator}
