"""The options of `hpc submit`, each with its words."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from gql_gateway.sdk.errors import InvalidInput

Image = Annotated[str, typer.Option(help="Container image: docker://…, oras://…, or a path the site allows.")]
Command = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="-- COMMAND",
        help="One quoted line goes to the container's shell; several words run as they are, without one. "
        "Nothing: the image's own entry point.",
    ),
]
Name = Annotated[str | None, typer.Option(help="Name for people to read.")]
Upload = Annotated[
    list[Path] | None, typer.Option("--upload", "-u", exists=True, help="Folder (its content) or file to send first.")
]
Partition = Annotated[str | None, typer.Option("--partition", "-p", help="Partition; see `hpc cluster`.")]
Nodes = Annotated[int | None, typer.Option("--nodes", "-N", help="Nodes.")]
Tasks = Annotated[int | None, typer.Option("--tasks-per-node", help="Tasks on each node.")]
Cpus = Annotated[int | None, typer.Option("--cpus-per-task", "-c", help="CPUs of each task.")]
Memory = Annotated[str | None, typer.Option("--mem", help="Memory on each node, like 500M or 4G.")]
Gpus = Annotated[int | None, typer.Option("--gpus-per-node", help="GPUs on each node.")]
Time = Annotated[str | None, typer.Option("--time", "-t", help="Time limit, like 90m, 2h or 1-12:00:00.")]
Account = Annotated[str | None, typer.Option("--account", "-A", help="Slurm account to charge.")]
Qos = Annotated[str | None, typer.Option("--qos", help="Slurm's quality of service.")]
Env = Annotated[list[str] | None, typer.Option("--env", "-e", help="NAME=VALUE, set in the container.")]
Labels = Annotated[
    list[str] | None, typer.Option("--label", "-l", help="KEY=VALUE, to find it by (`hpc ls -l`); any number of them.")
]
WithLabels = Annotated[
    list[str] | None, typer.Option("--label", "-l", help="Only with this KEY=VALUE; of several, with all.")
]
OnCluster = Annotated[str | None, typer.Option("--cluster", help="Cluster, where the gateway has several.")]
NoLaunch = Annotated[bool, typer.Option("--no-launch", help="Only create it and send the files.")]
Try = Annotated[
    bool,
    typer.Option("--dry-run", help="Only ask Slurm when and where it would start; nothing is sent, nothing is left."),
]
OnlyAsk = Annotated[bool, typer.Option("--dry-run", help="Only ask Slurm when and where they would start.")]
OnlyCreate = Annotated[bool, typer.Option("--no-launch", help="Only create it, with the inputs of the first.")]
Wait = Annotated[bool, typer.Option("--wait", "-w", help="Wait for its end, and end with its exit code.")]
Download = Annotated[
    Path | None, typer.Option(file_okay=False, help="Wait, then fetch all its files into this folder.")
]
SUBMIT_EXAMPLES = (
    "**Examples**\n\n"
    "`hpc submit --image /opt/img/tool.sif --upload inputs/ -- 'tool a.txt > result.txt'`\n\n"
    "`hpc submit --image docker://python:3.12 -u run.py -t 2h --mem 8G --download out/ -- python run.py --fast`\n\n"
    "`hpc submit --dry-run --image /opt/img/tool.sif -N 4 -t 2h -- tool`\n\n"
    "`id=$(hpc submit --image /opt/img/tool.sif -- hostname) && hpc wait $id`"
)


def read_environment(words: Sequence[str]) -> dict[str, str]:
    """What `--env` says.

    Raises:
        InvalidInput: one has no `=`.
    """
    return _pairs("--env", "NAME=VALUE", words)


def read_labels(words: Sequence[str]) -> dict[str, str]:
    """What `--label` says.

    Raises:
        InvalidInput: one has no `=`, or a key is there twice.
    """
    labels = _pairs("--label", "KEY=VALUE", words)
    if len(labels) < len(words):
        raise InvalidInput(f"--label has a key twice: {', '.join(words)}.", detail="A job has one value for a key.")
    return labels


def _pairs(option: str, form: str, words: Sequence[str]) -> dict[str, str]:
    for word in words:
        if "=" not in word:
            raise InvalidInput(f"{option} {word!r} is not {form}.")
    return dict(word.split("=", 1) for word in words)


RESOURCES = frozenset(
    {
        "partition",
        "nodes",
        "tasks_per_node",
        "cpus_per_task",
        "memory_per_node",
        "gpus_per_node",
        "time_limit",
        "account",
        "qos",
        "cluster",
    }
)
"""Those options that have the same name where a job is made."""
BY_FIELD = {
    "name": "--name",
    "image": "--image",
    "command": "COMMAND",
    "args": "COMMAND",
    "partition": "--partition",
    "nodes": "--nodes",
    "tasksPerNode": "--tasks-per-node",
    "cpusPerTask": "--cpus-per-task",
    "memoryPerNode": "--mem",
    "gpusPerNode": "--gpus-per-node",
    "timeLimitSeconds": "--time",
    "account": "--account",
    "qos": "--qos",
    "environment": "--env",
    "labels": "--label",
    "cluster": "--cluster",
}
"""The option that becomes a field of the gateway's input."""
