"""The site's container command: what its version understands, and the words that shut a job in. Pure."""

import re
from dataclasses import dataclass
from typing import Literal

from gql_gateway.core.errors import ClusterUnavailable
from gql_gateway.core.spec import JobSpec

Network = Literal["shared", "none"]

INSIDE = "/job"
"""The job's folder in the container: its working directory, its home, and its only place on a disk."""

_NEEDED = ("--containall", "--no-home", "--home", "--bind", "--pwd")
_OPTIONAL = ("--no-privs", "--no-eval", "--no-umask")


@dataclass(frozen=True, slots=True)
class Runtime:
    """What `<container> exec --help` says it understands.

    The defaults are those of Apptainer since 1.2 and SingularityCE since 3.11, under the names that both know.
    """

    environment_prefix: str = "SINGULARITYENV_"
    optional: tuple[str, ...] = _OPTIONAL
    no_mount: tuple[str, ...] = ("sys", "bind-paths")


def help_command(container: str) -> list[str]:
    """What to run on the login node for `read_help`."""
    return [container, "exec", "--help"]


def version_command(container: str) -> list[str]:
    """What to run on the login node to see whether it is there."""
    return [container, "--version"]


def read_help(text: str) -> Runtime:
    """Which of the flags this version has.

    Raises:
        ClusterUnavailable: it lacks one that the walls around a job need, or it is no container command at all.
    """
    known = set(re.findall(r"--[a-z-]+", text))
    if missing := [flag for flag in _NEEDED if flag not in known]:
        raise ClusterUnavailable(f"The container command does not know {', '.join(missing)}.")
    no_mount = ("sys", *(["bind-paths"] if "bind-paths" in text else []))
    return Runtime(
        environment_prefix="APPTAINERENV_" if "apptainer" in text.lower() else "SINGULARITYENV_",
        optional=tuple(flag for flag in _OPTIONAL if flag in known),
        no_mount=no_mount if "--no-mount" in known else (),
    )


MODERN = Runtime()


def options(spec: JobSpec, network: Network, runtime: Runtime) -> list[str]:
    """What shuts the job in; the bound folder, which the host's shell has to name, comes beside them.

    `--home` without a source mounts nothing beside `--no-home`, it only names the home (Apptainer 1.4.5).
    """
    walls = ["--containall", "--no-home", "--home", INSIDE, "--pwd", INSIDE, *runtime.optional]
    if runtime.no_mount:
        walls += ["--no-mount", ",".join(runtime.no_mount)]
    if network == "none":
        walls += ["--net", "--network", "none"]
    return [*walls, "--nv"] if spec.resources.gpus_per_node else walls


def verb(spec: JobSpec) -> str:
    """`run` starts the image's entry point, `exec` what is named."""
    return "run" if spec.entry_point or (spec.command is None and spec.args is None) else "exec"


def program(spec: JobSpec) -> list[str]:
    """What runs inside, word by word. Behind the image's name nothing is read as an option of the container command."""
    if spec.command is not None:
        return ["/bin/sh", "-c", spec.command]
    return list(spec.args or ())
