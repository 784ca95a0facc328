"""Folders of running sites: one per slot, held by a lock that the kernel lets go when owner and site are dead."""

import fcntl
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slurm_site.configs import Ports
from slurm_site.host import memory_controller
from slurm_site.options import cache_folder

SLOTS = 200


@dataclass(frozen=True, slots=True)
class Instance:
    """A claimed slot: its folder, its ports, and the descriptor that holds the claim."""

    slot: int
    folder: Path
    lock: int

    @property
    def ports(self) -> Ports:
        return Ports.of_slot(self.slot)

    @property
    def cgroup(self) -> str:
        return f"gql-gateway-site-{self.slot}"

    def clear(self) -> None:
        """Delete what is in the folder, and the control groups."""
        _empty(self.folder)
        if controller := memory_controller():
            for group, _, _ in os.walk(controller / self.cgroup, topdown=False):
                Path(group).rmdir()

    def release(self) -> None:
        """Delete everything and give the slot back."""
        self.clear()
        os.close(self.lock)


def claim() -> Instance:
    """Take the first slot that nobody holds and whose ports are free; clear away what dead owners left."""
    claimed = None
    for slot in range(SLOTS):
        folder = _folder(slot)
        if claimed is not None and not folder.exists():
            continue
        if (lock := _try_lock(folder)) is None:
            continue
        instance = Instance(slot, folder, lock)
        instance.clear()
        if claimed is None and all(map(_is_free, instance.ports.all())):
            claimed = instance
        else:
            os.close(lock)
    if claimed is None:
        raise RuntimeError(f"all {SLOTS} slots for sites are taken")
    for name in ("upper", "work", "root", "scratch"):
        (claimed.folder / name).mkdir(mode=0o755)
    return claimed


def running() -> Iterator[tuple[int, dict[str, Any]]]:
    """Slot and notes of each site that somebody holds now."""
    for slot in range(SLOTS):
        folder = _folder(slot)
        notes = folder / "site.json"
        if not notes.exists():
            continue
        if (lock := _try_lock(folder)) is not None:
            os.close(lock)
            continue
        with suppress(FileNotFoundError):
            yield slot, json.loads(notes.read_text(encoding="utf-8"))


def _folder(slot: int) -> Path:
    return cache_folder() / "instances" / str(slot)


def _try_lock(folder: Path) -> int | None:
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _empty(folder: Path) -> None:
    """All but the lock file, which others may be waiting at."""
    for entry in folder.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != "lock":
            entry.unlink()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # what the daemons do: TIME_WAIT is no tenant
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
