"""Ids: opaque to callers, sortable by time of making, safe in a folder's name, a Slurm job's name and a URL."""

import os
import re
import time
from datetime import UTC, datetime

_HEX = re.compile(r"[0-9a-f]{32}")


def new_id() -> str:
    """A new id: 12 hexadecimal digits of milliseconds since 1970, then 20 of chance; newer sorts after older."""
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"


def made_at(new: str) -> datetime:
    """When an id was made, by the clock of who made it."""
    return datetime.fromtimestamp(int(new[:12], 16) / 1000, UTC)


def global_id(kind: str, key: str) -> str:
    """The id that the API shows, such as `job_0193…`: the kind of thing and its key."""
    return prefix_of(kind) + key


def prefix_of(kind: str) -> str:
    """How the ids that the API shows of a kind of thing begin."""
    return f"{kind}_"


def parse_global_id(text: str) -> tuple[str, str] | None:
    """Kind and key of an id that the API showed; None for anything else."""
    kind, separator, key = text.partition("_")
    return (kind, key) if separator and kind and key and len(text) <= 128 else None  # noqa: PLR2004 - longest name of a cluster, doubled


def parse_job_id(text: str) -> str | None:
    """Key of a job's id; None when it is malformed, which callers treat like an id that is not there."""
    match parse_global_id(text):
        case ("job", key) if _HEX.fullmatch(key):
            return key
    return None


def parse_token_id(text: str) -> str | None:
    """Key of a token's id; None when it is malformed, which callers treat like an id that is not there."""
    match parse_global_id(text):
        case ("token", key) if _HEX.fullmatch(key):
            return key
    return None


def slurm_name(job_id: str) -> str:
    """The Slurm job's name: the one key that squeue and sacct both search."""
    return f"gw-{job_id}"


def job_of(name: str) -> str:
    """Key of the job that a Slurm job's name of ours stands for."""
    return name.removeprefix("gw-")
