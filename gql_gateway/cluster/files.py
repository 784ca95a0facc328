"""A job's files: what an entry is, and every operation that is one question and one answer."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from operator import attrgetter
from stat import S_IFDIR, S_IFLNK, S_IFREG
from typing import Any

from gql_gateway.cluster.config import ClusterConfig
from gql_gateway.cluster.remote import Remote
from gql_gateway.core.paths import WORK, JobPath, is_protected

GATEWAY = [".gateway"]
NOTICES = [*GATEWAY, "notices"]


class FileKind(StrEnum):
    """What an entry of a folder is."""

    FILE = "FILE"
    DIRECTORY = "DIRECTORY"
    SYMLINK = "SYMLINK"
    OTHER = "OTHER"


_KINDS = {S_IFREG: FileKind.FILE, S_IFDIR: FileKind.DIRECTORY, S_IFLNK: FileKind.SYMLINK}


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One entry of a job's folder.

    `path` is relative to the job's folder as callers name it, `size` in bytes, `mode` the permission bits.
    A name that is no UTF-8 is shown with replacement characters, and cannot be addressed.
    `protected` entries (run.sh, Slurm's output) are never written or deleted.
    """

    path: str
    name: str
    kind: FileKind
    size: int
    modified_at: datetime
    mode: int
    user: str
    group: str
    link_target: str | None = None
    protected: bool = False


@dataclass(frozen=True, slots=True)
class Download:
    """An open download: `size` bytes of `entry` come from `chunks`, all of them or an error."""

    entry: FileEntry
    size: int
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Checksum:
    """SHA-256 of a file's content, and the file as it was when its reading began."""

    entry: FileEntry
    sha256: bytes


@dataclass(frozen=True, slots=True)
class EndRecord:
    """What run.sh wrote down at its end, outside the container's reach. A shell's 128+n stands for signal n."""

    slurm_job_id: str
    exit_code: int
    ended_at: datetime
    started_at: datetime | None = None
    signals: int | None = None
    """How often it was told to end before it did; None in a record of before it was counted."""


def entry_of(path: JobPath, told: Mapping[str, Any]) -> FileEntry:
    """An entry at `path` from what the agent tells of it."""
    return _entry(str(path), path.name, told, protected=path.is_protected)


def _entry(path: str, name: str, told: Mapping[str, Any], *, protected: bool) -> FileEntry:
    return FileEntry(
        path=path,
        name=name,
        kind=_KINDS.get(told["format"], FileKind.OTHER),
        size=told["size"],
        modified_at=datetime.fromtimestamp(told["mtime"], UTC),
        mode=told["mode"],
        user=told["user"],
        group=told["group"],
        link_target=told["target"],
        protected=protected,
    )


def parts_of(folder: str) -> list[str]:
    """A job's folder, relative to the root, as the agent takes it."""
    return folder.split("/")


class Files:
    """Small operations on files, over the control lane."""

    def __init__(self, config: ClusterConfig, remote: Remote) -> None:
        self._seconds = config.file_timeout
        self._root = config.root
        self._remote = remote

    async def uid_of(self, account: str) -> int | None:
        """The number of an account; None where there is none of that name."""
        found: int | None = (await self._call("account", {"name": account}))["uid"]
        return found

    async def make_root(self) -> None:
        """Make the root itself, unless it is there."""
        await self._call("root", {})

    async def make_folder(self, name: str) -> None:
        """Make a folder in the root."""
        await self._call("mkdirs", {"parts": [name]})

    async def prepare(self, folder: str, script: str) -> None:
        """Make a job's folder with its sealed run.sh."""
        fields = {"parts": parts_of(folder), "gateway": GATEWAY, "work": WORK}
        await self._call("prepare", fields, body=script.encode())

    async def remove(self, folder: str) -> None:
        """Remove a job's folder."""
        await self._call("remove", {"parts": parts_of(folder)})

    async def entries(self, folder: str, path: JobPath) -> list[FileEntry]:
        """Entries of a folder by name; at the top, the protected ones stand among those of work/."""
        job = parts_of(folder)
        asked = {"parts": [*job, *path.on_disk]} | ({} if path.parts else {"beside": job})
        told = await self._call("list", asked)
        before = f"{path}/" if path.parts else ""
        # A name of the job's own, in work/, is not where the same path leads to.
        inside = (one for one in told["entries"] if path.parts or not is_protected(one["name"]))
        own = (one for one in told.get("beside", ()) if is_protected(one["name"]))
        found = [_entry(before + one["name"], one["name"], one, protected=False) for one in inside]
        found += [_entry(one["name"], one["name"], one, protected=True) for one in own]
        return sorted(found, key=attrgetter("name"))

    async def entry(self, folder: str, path: JobPath) -> FileEntry:
        """One entry, never what a link points to."""
        return entry_of(path, (await self._call("stat", {"parts": [*parts_of(folder), *path.on_disk]}))["entry"])

    async def delete(self, folder: str, path: JobPath, *, recursive: bool) -> None:
        """Delete an entry; not done again after a lost connection, for then it would not be found."""
        fields = {"job": parts_of(folder), "parts": list(path.on_disk), "recursive": recursive}
        await self._call("delete", fields, again=False)

    async def usage(self, folder: str, seconds: float) -> int:
        """Bytes on disk of a folder, as far as they are seen in that time."""
        return int((await self._call("usage", {"parts": parts_of(folder), "seconds": seconds}))["bytes"])

    async def end_records(self, folders: Sequence[str]) -> dict[str, EndRecord]:
        """The end records there are, by folder."""
        wanted = {"folders": [parts_of(folder) for folder in folders], "names": ["started", "end"]}
        told = (await self._call("records", wanted))["records"]
        read = {folder: _end_record(*texts) for folder, texts in zip(folders, told, strict=True)}
        return {folder: record for folder, record in read.items() if record}

    async def script_intact(self, folder: str, sha256: str) -> bool:
        """Whether run.sh is there and as it was sealed."""
        told = await self._call("digest", {"parts": parts_of(folder)})
        return bool(told["sha256"] == sha256)

    async def _call(
        self, op: str, fields: Mapping[str, object], *, again: bool = True, body: bytes = b""
    ) -> dict[str, Any]:
        told = {"root": self._root, **fields}
        return (await self._remote.call(op, told, seconds=self._seconds, again=again, body=body)).header


def _end_record(started: str | None, end: str | None) -> EndRecord | None:
    """From `<slurm id> <exit code> <seconds> <signals>` and `<slurm id> <seconds>`; None without such a line."""
    match end.split() if end else []:
        case [number, code, at, *signals] if all(word.isdecimal() for word in (code, at, *signals)):
            begun = started.split() if started else []
            same = len(begun) == 2 and begun[0] == number and begun[1].isdecimal()  # noqa: PLR2004 - two words
            told = int(signals[0]) if signals else None
            return EndRecord(number, int(code), _time(at), _time(begun[1]) if same else None, told)
    return None


def _time(seconds: str) -> datetime:
    return datetime.fromtimestamp(int(seconds[:11]), UTC)
