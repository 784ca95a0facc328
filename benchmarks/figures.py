"""How figures are taken and shown: several short runs, their median, a table, and how busy the machine was."""

import os
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path


def medians(runs: int, *measures: Callable[[], float]) -> list[float]:
    """The median of each measure; they take turns, so that a busy moment does not fall on one of them alone."""
    taken = [[measure() for measure in measures] for _ in range(runs)]
    return [statistics.median(column) for column in zip(*taken, strict=True)]


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print Markdown, with a line on the machine above."""
    load, processors = os.getloadavg()[0], os.cpu_count()
    print(f"\n{processors} processors, load {load:.1f} at the end\n")
    for row in (head, ["---"] * len(head), *rows):
        print("| " + " | ".join(str(cell) for cell in row) + " |", flush=True)


def memory_mib(pid: int, key: str = "VmRSS") -> float:
    """Memory of a process now, or with `VmHWM` at its highest since `forget_peak`."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(f"{key}:")).split()[1]) / 1024


def forget_peak(pid: int) -> None:
    """Have the kernel count the highest memory anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def processor_seconds(pid: int) -> float:
    """Time that a process spent on processors, its own and the kernel's for it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
