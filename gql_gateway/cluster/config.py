"""What the gateway must know of one cluster to use it."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gql_gateway.core.accounts import NAME

_ROOT = re.compile(r"(/[A-Za-z0-9._-]+)+")
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_-]{{0,63}}(@{NAME.pattern})?")


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    """One cluster. Times in seconds.

    Raises:
        ValueError: a field that cannot be; the text says which and what is allowed.
    """

    name: str
    host: str
    port: int
    username: str
    private_key: Path
    known_hosts: Path
    root: str
    """Absolute folder on the cluster, owned by the account, under which every user's folder is made."""
    container: str = "singularity"
    image_allow: tuple[str, ...] = ()
    preamble: tuple[str, ...] = ()
    network: Literal["shared", "none"] = "shared"
    poll_seconds: float = 10.0
    max_sessions: int = 10
    """The server's MaxSessions; half of it is used on one connection."""
    bulk_connections: int = 2
    """Connections for transfers of files; `max_sessions // 2` transfers run on each at once."""
    connect_timeout: float = 10.0
    """From the first packet to a finished login."""
    keepalive_seconds: float = 15.0
    """A silent peer is asked this often, and given up after three questions without an answer."""
    command_timeout: float = 60.0
    """For each Slurm command but sbatch. squeue itself gives up after 20 s (22.05 to 26.05)."""
    submit_timeout: float = 150.0
    """For sbatch, which tries for about 120 s by itself while the controller has no room."""
    file_timeout: float = 60.0
    """For each operation on files but transfers and copies."""
    stall_timeout: float = 120.0
    """For a transfer in which the cluster moves no byte."""
    python: str = "python3"
    """The login node's Python (3.6 or newer): a name in PATH or an absolute path."""
    slurm_path: str = ""
    """Folder of Slurm's commands, where the account's PATH does not have it."""

    def __post_init__(self) -> None:
        for fault in self._faults():
            raise ValueError(f"cluster {self.name!r}: {fault}")

    @property
    def channels(self) -> int:
        """Channels used at once on one connection.

        With all ten of MaxSessions 10 in use 610 of 3,000 commands failed (OpenSSH 9.2), with five none: the server
        frees a slot after the client saw the channel close.
        """
        return max(1, self.max_sessions // 2)

    def _faults(self) -> list[str]:
        rules = {
            "name must be 1 to 64 letters, digits, _ and -, perhaps @ and an account": _NAME.fullmatch(self.name),
            "host is empty": self.host,
            "port must be 1 to 65535": 0 < self.port < 2**16,
            "username is empty": self.username,
            "root must be an absolute path of letters, digits and . _ - without '..'": _is_root(self.root),
            "max_sessions must be at least 2": self.max_sessions >= 2,  # noqa: PLR2004 - half of it must be one
            "bulk_connections must be at least 1": self.bulk_connections >= 1,
            "slurm_path must be an absolute path": not self.slurm_path or self.slurm_path.startswith("/"),
            "times must be above 0": min(self._times()) > 0,
        }
        return [fault for fault, kept in rules.items() if not kept]

    def _times(self) -> tuple[float, ...]:
        return (
            self.poll_seconds,
            self.connect_timeout,
            self.keepalive_seconds,
            self.command_timeout,
            self.submit_timeout,
            self.file_timeout,
            self.stall_timeout,
        )


def _is_root(root: str) -> bool:
    return _ROOT.fullmatch(root) is not None and not {".", ".."} & set(root.split("/"))
