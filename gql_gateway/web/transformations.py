"""From what the MarketPlace calls a new transformation to a job's values. Pure.

Its `executable_cmd` used to stand behind `singularity run IMAGE` on a line of the host's shell. Here the words of a
simple one are given to the image's entry point, and `<`, `>` and `2>` name files of the job's folder, so that an
image needs no shell. Anything else is a line for the container's own shell, and never for the host's.
"""

import re
import shlex
from collections.abc import Mapping
from typing import Any

from gql_gateway.core.errors import ErrorCode, refuse

_NAMES = {
    "job_name": "name",
    "image": "image",
    "executable_cmd": "executable_cmd",
    "partition": "partition",
    "ntasks_per_node": "tasks_per_node",
    "nodes": "nodes",
    "cpus_per_task": "cpus_per_task",
    "memory_per_node": "memory_per_node",
    "gpus_per_node": "gpus_per_node",
    "time_limit_seconds": "time_limit_seconds",
    "account": "account",
    "qos": "qos",
}
_NUMBERS = ("tasks_per_node", "nodes", "cpus_per_task", "memory_per_node", "gpus_per_node", "time_limit_seconds")
_TOP = ("name", "image")
# What every shell reads alike, with nothing to expand; a redirection is told from a word that only looks like one.
_TOKEN = re.compile(
    r"""[ \t]*(?:
        (?P<both>2>&1)
      | (?P<sign><|1?>|2>|&>)[ \t]*(?P<file>[A-Za-z0-9_][A-Za-z0-9_.+@=-]*)
      | (?P<word>(?:[\w@%+=:,./-]|'[^'\n]*'|"[^"$`\\!\n]*")+)
    )(?=[ \t]|\Z)""",
    re.ASCII | re.VERBOSE,
)
_RUNSCRIPT = "/.singularity.d/runscript"


def job_values(given: Any) -> dict[str, object]:
    """A job's values, as core/spec.py takes them, from the body of `newTransformation`.

    Raises:
        Refused: INVALID_INPUT: it is no object, or has a key that is not known.
    """
    if not isinstance(given, dict):
        raise refuse(ErrorCode.INVALID_INPUT, "The body must be a JSON object.")
    # The caller's address was put in by the gateway before this one; who asks is known from the token.
    named = {_NAMES.get(key, ""): value for key, value in given.items() if key != "email" and value is not None}
    if unknown := sorted(str(key) for key in given if key not in _NAMES and key != "email"):
        known = ", ".join(_NAMES)
        message = f"Not known: {', '.join(unknown)}."
        raise refuse(ErrorCode.INVALID_INPUT, message, detail=f"Known are: {known}.")
    command = named.pop("executable_cmd", "")
    if not isinstance(command, str):
        raise refuse(ErrorCode.INVALID_INPUT, "executable_cmd: must be a text.", "executable_cmd")
    values: dict[str, object] = {name: named.pop(name) for name in _TOP if name in named}
    return values | run_values(command) | {"resources": _numbers(named)}


def run_values(command: str) -> dict[str, object]:
    """What of a job's values says what runs, for an `executable_cmd`."""
    simple = _simple(command.strip(" \t\n"))
    return {"command": f"{_RUNSCRIPT} {command}"} if simple is None else simple


def _simple(command: str) -> dict[str, object] | None:
    """Arguments and files of a simple command; None: a shell must read it."""
    words: list[str] = []
    files: dict[str, str] = {}
    position = 0
    while position < len(command):
        found = _TOKEN.match(command, position)
        if found is None:
            return None
        position = found.end()
        if found["word"]:
            words += shlex.split(found["word"])
        elif found["both"]:
            files |= {"stderr": files["stdout"]} if "stdout" in files else {}
        elif not _redirected(files, found["sign"], found["file"]):
            return None
    arguments: dict[str, object] = {"args": tuple(words)} if words else {}
    return {"entry_point": True, **arguments, **files}


def _redirected(files: dict[str, str], sign: str, name: str) -> bool:
    """Note a redirection; False for the second one of a stream, which a shell must make sense of."""
    streams = {"<": ["stdin"], "2>": ["stderr"], "&>": ["stdout", "stderr"]}.get(sign, ["stdout"])
    if any(stream in files for stream in streams):
        return False
    files.update(dict.fromkeys(streams, name))
    return True


def _numbers(named: Mapping[str, Any]) -> dict[str, object]:
    """Resources; the notebooks of the gateway before this one also give numbers as text."""
    return {name: _number(value) if name in _NUMBERS else value for name, value in named.items()}


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 18 else value  # noqa: PLR2004
