"""What a job runs and needs: typed, each field checked for itself, before anything of it reaches a script.

The rules are stricter than Slurm's: Slurm takes time 0 and -1 as unlimited, memory 0 as the whole node and a
partition that is a list (seen on 22.05, 24.11 and 26.05).
"""

import fnmatch
import re
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from gql_gateway.core.errors import ErrorCode, Problem, Refused
from gql_gateway.core.paths import is_protected

TEXT_BYTES = 64 * 1024
ENVIRONMENT_BYTES = 256 * 1024
MIB = 1024 * 1024
NAME_RULE = "1 to 64 letters, digits, spaces and . _ + @ -, beginning with a letter or digit"

_SLURM_WORD = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
_SlurmWord = Annotated[str, Field(pattern=_SLURM_WORD)]
# One name, of characters that no shell reads as anything else.
_FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.+@=-]{0,199}$")]
_IMAGE_URI = re.compile(r"(docker|oras|library|shub|https?)://[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,500}")
_IMAGE_PATH = re.compile(r"(/[A-Za-z0-9._+@-]+)+")
_RESERVED_ENVIRONMENT = re.compile(r"(APPTAINER|SINGULARITY|SLURM|SBATCH|PMIX?)(_.*|ENV_.*)?", re.IGNORECASE)


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Resources(_Strict):
    """What a job asks of Slurm. Memory in bytes on each node, time in seconds; None leaves it to the partition."""

    partition: _SlurmWord | None = None
    nodes: Annotated[int, Field(ge=1, le=10_000)] = 1
    tasks_per_node: Annotated[int, Field(ge=1, le=4096)] = 1
    cpus_per_task: Annotated[int, Field(ge=1, le=4096)] = 1
    memory_per_node: Annotated[int, Field(ge=MIB, le=2**53 - 1)] | None = None
    gpus_per_node: Annotated[int, Field(ge=0, le=64)] = 0
    time_limit_seconds: Annotated[int, Field(ge=1, le=366 * 86400)] | None = None
    account: _SlurmWord | None = None
    qos: _SlurmWord | None = None

    @property
    def memory_mib(self) -> int | None:
        """Memory per node in MiB, rounded up."""
        return None if self.memory_per_node is None else -(-self.memory_per_node // MIB)

    @property
    def time_limit_minutes(self) -> int | None:
        """Time limit in minutes, Slurm's grain, rounded up."""
        return None if self.time_limit_seconds is None else -(-self.time_limit_seconds // 60)


class EnvironmentVariable(_Strict):
    """A variable set inside the container."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]
    value: Annotated[str, Field(max_length=8192)]

    @model_validator(mode="after")
    def _not_ours(self) -> Self:
        if _RESERVED_ENVIRONMENT.fullmatch(self.name):
            raise ValueError("names that belong to Slurm or the container runtime are set by them alone")
        _no_control(self.value, allowed="\n\t")
        return self


class Label(_Strict):
    """A key and a value to find a job by."""

    key: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,62}$")]
    value: Annotated[str, Field(max_length=255)]

    @field_validator("value")
    @classmethod
    def _one_line(cls, value: str) -> str:
        _no_control(value, allowed="")
        return value


class JobSpec(_Strict):
    """Everything `createJob` is told.

    `command` goes to the container's own shell, `args` run without one, neither means the image's entry point; with
    `entry_point` it is given the `args`. `stdin`, `stdout` and `stderr` name files in the job's folder, for images
    without a shell that could redirect; `stderr` may be `stdout`'s file too.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._+@ -]{0,63}$")]
    image: Annotated[str, Field(max_length=512)]
    command: Annotated[str, Field(min_length=1, max_length=TEXT_BYTES)] | None = None
    args: Annotated[tuple[str, ...], Field(min_length=1, max_length=1000)] | None = None
    entry_point: bool = False
    stdin: _FileName | None = None
    stdout: _FileName | None = None
    stderr: _FileName | None = None
    resources: Resources = Resources()
    environment: Annotated[tuple[EnvironmentVariable, ...], Field(max_length=200)] = ()
    labels: Annotated[tuple[Label, ...], Field(max_length=32)] = ()

    @model_validator(mode="after")
    def _one_way_to_run(self) -> Self:
        if self.command is not None and self.args is not None:
            raise ValueError("give `command` or `args`, not both")
        if self.command is not None and self.entry_point:
            raise ValueError("the image's entry point takes `args` and no `command`")
        return self

    @field_validator("stdin", "stdout", "stderr")
    @classmethod
    def _not_protected(cls, name: str | None) -> str | None:
        if name is not None and is_protected(name):
            raise ValueError(f"{name} belongs to the job itself")
        return name

    @field_validator("command", "args")
    @classmethod
    def _plain_text(cls, text: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        whole = "".join(text or ())
        _no_control(whole, allowed="\n\t")
        if len(whole.encode()) > TEXT_BYTES:
            raise ValueError(f"must be at most {TEXT_BYTES} bytes")
        return text

    @field_validator("image")
    @classmethod
    def _image_is_one(cls, image: str) -> str:
        if not (_IMAGE_URI.fullmatch(image) or _IMAGE_PATH.fullmatch(image)) or ".." in image:
            raise ValueError("must be docker://…, oras://…, library://…, shub://…, http(s)://… or an absolute path")
        return image

    @field_validator("environment")
    @classmethod
    def _variables_once(cls, variables: tuple[EnvironmentVariable, ...]) -> tuple[EnvironmentVariable, ...]:
        names = [variable.name for variable in variables]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"given twice: {', '.join(sorted(twice))}")
        if sum(len(variable.value.encode()) for variable in variables) > ENVIRONMENT_BYTES:
            raise ValueError(f"the values must be at most {ENVIRONMENT_BYTES} bytes together")
        return variables

    @field_validator("labels")
    @classmethod
    def _labels_once(cls, labels: tuple[Label, ...]) -> tuple[Label, ...]:
        keys = [label.key for label in labels]
        if twice := {key for key in keys if keys.count(key) > 1}:
            raise ValueError(f"given twice: {', '.join(sorted(twice))}")
        return labels


def _no_control(text: str, *, allowed: str) -> None:
    """Refuse C0 and C1 controls, NUL and lone surrogates, which no shell line or UTF-8 file carries faithfully."""
    for char in text:
        if (ord(char) < 0x20 and char not in allowed) or 0x7F <= ord(char) < 0xA0 or 0xD800 <= ord(char) < 0xE000:  # noqa: PLR2004 - Unicode's own borders
            raise ValueError(f"the character U+{ord(char):04X} is not allowed")


def image_allowed(image: str, patterns: tuple[str, ...]) -> bool:
    """Whether a site's patterns allow an image.

    `*` matches any text in a URI pattern (`docker://*`), and any text but `/` in a path pattern (`/opt/img/*.sif`).
    """
    return any(_matches(image, pattern) for pattern in patterns)


def _matches(image: str, pattern: str) -> bool:
    if "://" in pattern:
        return fnmatch.fnmatchcase(image, pattern)
    theirs, ours = image.split("/"), pattern.split("/")
    return len(theirs) == len(ours) and all(map(fnmatch.fnmatchcase, theirs, ours))


_WORDS = {
    ("name",): f"must be {NAME_RULE}",
    ("resources", "partition"): "must be one partition's name: letters, digits and _ . -",
    ("resources", "account"): "must be one account's name: letters, digits and _ . -",
    ("resources", "qos"): "must be one QOS's name: letters, digits and _ . -",
    ("environment", "name"): "must be 1 to 128 letters, digits and _, beginning with a letter or _",
    ("labels", "key"): "must be 1 to 63 letters, digits and . _ / -, beginning with a letter or digit",
}
_PYDANTIC = re.compile(r"^(Input|String|Tuple) should |^Value error, ")


def check_spec(values: dict[str, object]) -> JobSpec:
    """Build a JobSpec from plain values.

    Raises:
        Refused: INVALID_INPUT, one problem for each field at fault, with its path and what is allowed.
    """
    try:
        return JobSpec.model_validate(values)
    except ValidationError as error:
        raise Refused(_problem(tuple(map(str, item["loc"])), item["msg"]) for item in error.errors()) from None


def _problem(path: tuple[str, ...], message: str) -> Problem:
    named = tuple(part for part in path if not part.isdigit())
    words = _WORDS.get(named) or _PYDANTIC.sub(lambda found: "must " if found[1] else "", message)
    field = ("input", *(_camel(part) for part in path))
    return Problem(ErrorCode.INVALID_INPUT, f"{'.'.join(field[1:]) or 'input'}: {words}.", field)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)
