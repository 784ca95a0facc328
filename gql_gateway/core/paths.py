"""Names and paths: a user's folder, a job's folder, and the paths a caller may name inside it. Pure text.

A job's folder on the cluster holds `run.sh`, Slurm's output, the records that run.sh leaves, and `work/`, the only
part that the container sees. What callers name is relative to `work/`; the protected files stand beside its entries
under their own names and win over whatever the job puts there under such a name.
"""

import hashlib
import re
import unicodedata
from dataclasses import dataclass

from gql_gateway.core.errors import ErrorCode, Refused, refuse

RUN_SCRIPT = "run.sh"
WORK = "work"
PART_BYTES = 255
PATH_BYTES = 4000
DEPTH = 64

_OUTPUT = re.compile(r"slurm-[0-9]+\.out")
_NOT_A_LETTER = re.compile(r"[^A-Za-z]")


def user_folder(email: str) -> str:
    """Name of a user's folder: the part before `@` with every character outside A-Z a-z turned into `_`.

    >>> user_folder("materials.marketplace@example.org")
    'materials_marketplace'
    """
    return _NOT_A_LETTER.sub("_", email.rpartition("@")[0])[:64]


def user_folder_with_hash(email: str) -> str:
    """Name for a later user whose plain name is taken by another address: the name, `_`, a hash of the address."""
    return f"{user_folder(email)}_{hashlib.sha256(email.encode()).hexdigest()[:8]}"


def output_name(slurm_job_id: str) -> str:
    """Name of Slurm's output file of a job."""
    return f"slurm-{slurm_job_id}.out"


@dataclass(frozen=True, slots=True)
class JobPath:
    """A checked path inside a job's folder: `parts` without separators; empty for the folder itself."""

    parts: tuple[str, ...]

    def __str__(self) -> str:
        return "/".join(self.parts)

    @property
    def name(self) -> str:
        """Last part; empty for the folder itself."""
        return self.parts[-1] if self.parts else ""

    @property
    def is_protected(self) -> bool:
        """Whether this names run.sh or Slurm's output, which nobody may write or delete."""
        return len(self.parts) == 1 and is_protected(self.parts[0])

    @property
    def on_disk(self) -> tuple[str, ...]:
        """Parts below the job's folder on the cluster."""
        return self.parts if self.is_protected else (WORK, *self.parts)


def is_protected(name: str) -> bool:
    """Whether a top-level name is one of the protected ones: run.sh and every `slurm-<number>.out`."""
    return name == RUN_SCRIPT or _OUTPUT.fullmatch(name) is not None


def parse(path: str) -> JobPath:
    """Check a path that must name an entry.

    Raises:
        Refused: PATH_NOT_ALLOWED with the rule that is broken; FILE_PROTECTED for a roundabout spelling of a
            protected file.
    """
    parsed = parse_folder(path)
    if not parsed.parts:
        raise _not_allowed(path, "it is empty")
    return parsed


def parse_folder(path: str) -> JobPath:
    """Check a path that may also be empty, which names the job's folder itself.

    Raises:
        Refused: as `parse`.
    """
    if not path:
        return JobPath(())
    if len(path.encode("utf-8", "surrogatepass")) > PATH_BYTES:
        raise _not_allowed(path[:40] + "…", f"it is longer than {PATH_BYTES} bytes")
    parts = tuple(path.split("/"))
    for part in parts:
        if fault := _fault(part):
            raise _protected(path) if _names_protected(parts) else _not_allowed(path, fault)
    if len(parts) > DEPTH:
        raise _not_allowed(path[:40] + "…", f"it is deeper than {DEPTH} folders")
    return JobPath(parts)


def parse_writable(path: str) -> JobPath:
    """Check a path that is about to be written or deleted.

    Raises:
        Refused: as `parse`, and FILE_PROTECTED for run.sh and Slurm's output.
    """
    parsed = parse(path)
    if parsed.is_protected:
        raise _protected(path)
    return parsed


def _fault(part: str) -> str | None:
    if part in {"", ".", ".."}:
        return f"it has the part {part!r}" if part else "it starts or ends with '/' or has an empty part"
    if any(unicodedata.category(char) in {"Cc", "Cs"} for char in part):
        return "it has a control character or half a surrogate pair"
    if len(part.encode()) > PART_BYTES:
        return f"a part is longer than {PART_BYTES} bytes"
    return None


def _names_protected(parts: tuple[str, ...]) -> bool:
    """Whether a path with `.`, `..` or empty parts would come out at a protected name."""
    resolved: list[str] = []
    for part in parts:
        if part == "..":
            del resolved[-1:]
        elif part not in {"", "."}:
            resolved.append(part)
    return len(resolved) == 1 and is_protected(resolved[0]) and parts[0] != ""


def _protected(path: str) -> Refused:
    return refuse(ErrorCode.FILE_PROTECTED, f"{_show(path)} belongs to the job itself and is never changed.")


def _not_allowed(path: str, fault: str) -> Refused:
    return refuse(
        ErrorCode.PATH_NOT_ALLOWED,
        f"The path {_show(path)} is not allowed: {fault}.",
        detail="Paths are relative to the job's folder, like 'results/out.txt': no empty part, no '.' or '..', "
        f"no control characters, at most {PART_BYTES} bytes a part.",
    )


def _show(path: str) -> str:
    """The path as it can be printed: control characters escaped, cut to a bearable length."""
    shown = path.encode("unicode_escape").decode() if not path.isprintable() else path
    return repr(shown if len(shown) <= 80 else shown[:80] + "…")  # noqa: PLR2004 - a line's worth
