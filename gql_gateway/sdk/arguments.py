"""From what people write to what the gateway is told: the input of `createJob`. Pure."""

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from gql_gateway.sdk.errors import InvalidInput

# What the gateway before this one called things, and what else people write.
_OLD_NAMES = {
    "job_name": "name",
    "executable_cmd": "command",
    "ntasks_per_node": "tasks_per_node",
    "tasks": "tasks_per_node",
    "memory": "memory_per_node",
    "mem": "memory_per_node",
    "gpus": "gpus_per_node",
    "time": "time_limit",
    "time_limit_seconds": "time_limit",
}
_TOP = {
    "name": "name",
    "image": "image",
    "command": "command",
    "args": "args",
    "cluster": "cluster",
    "idempotency_key": "idempotencyKey",
}
_RESOURCES = {
    "partition": "partition",
    "nodes": "nodes",
    "tasks_per_node": "tasksPerNode",
    "cpus_per_task": "cpusPerTask",
    "memory_per_node": "memoryPerNode",
    "gpus_per_node": "gpusPerNode",
    "time_limit": "timeLimitSeconds",
    "account": "account",
    "qos": "qos",
}
_WHOLE_NUMBERS = {"nodes", "tasks_per_node", "cpus_per_task", "gpus_per_node"}
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_MEMORY = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([KMGT]?)(?:i?B)?", re.IGNORECASE)
_SLURM_TIME = re.compile(r"(?:(?P<days>[0-9]+)-)?(?P<parts>[0-9]+(?::[0-9]+){0,2})")
_UNIT_TIME = re.compile(r"([0-9]+) ?(s|m|min|h|d)")
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}


def job_input(values: Mapping[str, Any]) -> dict[str, Any]:
    """The input of `createJob` for a job described by names and values.

    None counts as not given. `email`, which the gateway before this one was told, is ignored: who you are comes from
    your token.

    Raises:
        InvalidInput: a name that is not known, or a value that cannot be what it must be.
    """
    given = _renamed(values)
    top: dict[str, Any] = {wire: given.pop(name) for name, wire in _TOP.items() if name in given}
    if environment := given.pop("environment", None):
        top["environment"] = _variables(environment)
    if labels := given.pop("labels", None):
        top["labels"] = label_inputs(labels)
    if "args" in top:
        top["args"] = _arguments(top["args"])
    resources = {wire: _resource(name, given.pop(name)) for name, wire in _RESOURCES.items() if name in given}
    if given:
        known = ", ".join((*_TOP, "environment", "labels", *_RESOURCES))
        raise InvalidInput(f"Not known: {', '.join(sorted(given))}.", detail=f"Known are: {known}.")
    for needed in ("name", "image"):
        if needed not in top:
            raise InvalidInput(f"A job needs a value for {needed!r}.", field=("input", needed))
    return top | ({"resources": resources} if resources else {})


def _renamed(values: Mapping[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for key, value in values.items():
        name = _OLD_NAMES.get(key, key)
        if name in given:
            raise InvalidInput(f"{key!r} and another name for the same thing are both given.")
        if value is not None and name != "email":
            given[name] = value
    return given


def _variables(environment: object) -> list[dict[str, str]]:
    if not isinstance(environment, Mapping):
        raise InvalidInput("`environment` is a dict of names and values.", field=("input", "environment"))
    return [{"name": str(name), "value": str(value)} for name, value in environment.items()]


def label_inputs(labels: object) -> list[dict[str, str]]:
    """Labels as the gateway is told them.

    >>> label_inputs({"project": "water", "run": 7})
    [{'key': 'project', 'value': 'water'}, {'key': 'run', 'value': '7'}]

    Raises:
        InvalidInput: they are no dict.
    """
    if not isinstance(labels, Mapping):
        raise InvalidInput("`labels` is a dict of keys and values.", field=("input", "labels"))
    return [{"key": str(key), "value": str(value)} for key, value in labels.items()]


def _arguments(args: object) -> list[str]:
    if not isinstance(args, Sequence) or isinstance(args, str):
        raise InvalidInput("`args` is a list of words; a line for the shell is `command`.", field=("input", "args"))
    return [str(word) for word in args]


def _resource(name: str, value: Any) -> Any:
    if name in _WHOLE_NUMBERS:
        return _whole(name, value)
    if name == "memory_per_node":
        return memory_bytes(value)
    return seconds(value) if name == "time_limit" else value


def _whole(name: str, value: Any) -> int:
    try:
        return int(str(value))  # the notebooks of the gateway before this one give numbers as text
    except ValueError:
        raise InvalidInput(f"{name} must be a whole number, not {value!r}.") from None


def memory_bytes(value: float | str) -> int:
    """Bytes from a number of bytes or text with a unit of 1024.

    >>> memory_bytes("4G")
    4294967296
    """
    if isinstance(value, (int, float)):
        return int(value)
    if isinstance(value, str) and (found := _MEMORY.fullmatch(value.strip())):
        return int(float(found[1]) * _UNITS[found[2].upper()])
    raise InvalidInput(f"{value!r} is no amount of memory.", detail="Write bytes, or 512M, 4G, 1.5T.")


def seconds(value: float | str | timedelta) -> int:
    """Seconds from a number of seconds, a timedelta, text with a unit, or Slurm's own forms.

    >>> seconds("90m"), seconds("1-12:00:00"), seconds("30:00")
    (5400, 129600, 1800)
    """
    if isinstance(value, timedelta):
        return round(value.total_seconds())
    if isinstance(value, (int, float)):
        return round(value)
    text = value.strip().lower() if isinstance(value, str) else ""
    if found := _UNIT_TIME.fullmatch(text):
        return int(found[1]) * _SECONDS[found[2]]
    if found := _SLURM_TIME.fullmatch(text):
        return _slurm_seconds(found["days"], [int(part) for part in found["parts"].split(":")])
    raise InvalidInput(f"{value!r} is no time.", detail="Write seconds, 90m, 2h, 1d, HH:MM:SS or D-HH:MM:SS.")


def _slurm_seconds(days: str | None, parts: Sequence[int]) -> int:
    """Slurm reads a lone number as minutes, `a:b` as minutes and seconds, and `d-a:b` as hours and minutes.

    A lone number is no Slurm time here: it would be minutes there, and it is seconds everywhere else in this client.
    """
    if days is None and len(parts) == 1:
        return parts[0]
    names = (3600, 60, 1) if days is not None or len(parts) == 3 else (60, 1)  # noqa: PLR2004 - hours, minutes, seconds
    return int(days or 0) * 86400 + sum(unit * part for unit, part in zip(names, parts, strict=False))
