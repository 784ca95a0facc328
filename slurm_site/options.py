"""What one may choose about a site: the Debian release (and with it the Slurm version) and how the cluster behaves."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

Debian = Literal["trixie", "bookworm", "sid"]
RELEASES: tuple[Debian, ...] = get_args(Debian)

IMAGE = "/opt/img/busybox.sif"
SERVICE_ACCOUNT = "hpcgw"
PERSONS = ("alice", "bob")
SCRATCH = "/scratch"
NODES = ("c1", "c2", "c3", "c4")


@dataclass(frozen=True, slots=True)
class SiteOptions:
    """One site's character. The defaults are a friendly, modern cluster; the others are known to occur in the wild."""

    debian: Debian = "trixie"
    """trixie has Slurm 24.11, bookworm 22.05, sid the newest."""
    accounting: bool = True
    """False: no slurmdbd and no MariaDB, sacct answers "Slurm accounting storage is disabled"."""
    max_sessions: int = 10
    """sshd's MaxSessions: channels per connection."""
    penalties: bool = True
    """sshd bans an address for a while whose connections broke off before they logged in, 18 of them in a second, say.
    False: it does not, for tests that break them."""
    min_job_age: int = 300
    """Seconds for which slurmctld remembers a job that ended."""
    banner: bool = False
    """Shell start-up files that print on standard output and take 0.1 s."""
    locale: str = "C.UTF-8"
    """Of login shells, batch jobs and daemons; de_DE.UTF-8 is installed too."""
    scratch_size: str | None = None
    """A tmpfs of that size (such as 64M) at /scratch, to fill it up; None: the disk of the cache folder."""
    memory_cgroups: bool = False
    """True: the kernel ends a job beyond its memory and Slurm says OUT_OF_MEMORY; the machine must have the memory
    controller of cgroup v1. False: Slurm's gatherer ends it within two seconds, and Slurm says FAILED by signal 9."""
    enforce_part_limits: bool = True
    """True: sbatch refuses a job beyond its partition's limits at once. False, Slurm's default: it is accepted and
    stays PENDING (PartitionTimeLimit) for ever."""
    preemption: bool = False
    """True: a job in the partition `urgent` takes nodes from running jobs. Those of `requeue` are to go back to the
    queue, those of `suspend` sleep meanwhile, all others are cancelled."""


def cache_folder() -> Path:
    """Where root filesystems and running instances live: outside any checkout."""
    return Path(os.environ.get("GQL_GATEWAY_SITE_CACHE", "/var/cache/gql-gateway-site"))
