"""What the commands of `hpc` share: the gateway they talk to, jobs by id, output for people and for machines."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.console import Console

from gql_gateway.sdk.cli_options import BY_FIELD
from gql_gateway.sdk.errors import GatewayError, NotFound
from gql_gateway.sdk.gateway import HpcGateway
from gql_gateway.sdk.job import Job
from gql_gateway.sdk.record import Record

LAST = "last"
COMPLETION_SECONDS = 3.0

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


def open_gateway(context: typer.Context) -> HpcGateway:
    """The gateway that `--url`, the environment or `hpc login` names."""
    return HpcGateway(context.obj)


def find_job(gateway: HpcGateway, jobid: str) -> Job:
    """A job by its id; `last` is the newest.

    Raises:
        NotFound: there is none.
    """
    if jobid != LAST:
        return gateway.job(jobid)
    for job in gateway.jobs(limit=1):
        return job
    raise NotFound("You have no jobs yet.")


def told(error: GatewayError) -> str:
    """An error in the command line's words: where the gateway names a field of its input, the option is named."""
    words = str(error)
    for one in (error, *error.others):
        if one.field:
            option = next((BY_FIELD[part] for part in one.field if part in BY_FIELD), None)
            path = ".".join(one.field[1:])
            words = words.replace(f"{path}: ", f"{option}: ", 1) if option else words
    return words


def complete_jobs(context: typer.Context, incomplete: str) -> list[tuple[str, str]]:
    """Job ids for the shell's completion; a gateway that is away completes nothing, and says nothing into the line."""
    url = context.parent.params.get("url") if context.parent else None
    try:
        with HpcGateway(url, timeout=COMPLETION_SECONDS) as gateway:
            found = [(job.id, f"{job.name} ({job.state})") for job in gateway.jobs(limit=50)]
    except GatewayError:
        return []
    return [(jobid, words) for jobid, words in [(LAST, "the newest one"), *found] if jobid.startswith(incomplete)]


JobId = Annotated[
    str, typer.Argument(metavar="JOB", help="The job's id, or `last`: your newest job.", autocompletion=complete_jobs)
]
Several = Annotated[
    list[str], typer.Argument(metavar="JOB", help="Ids of jobs, or `last`.", autocompletion=complete_jobs)
]


def print_json(value: Record | Sequence[Record] | dict[str, Any]) -> None:
    """Print what the gateway answered, as JSON."""
    if isinstance(value, Record):
        plain: Any = value.as_dict()
    else:
        plain = value if isinstance(value, dict) else [record.as_dict() for record in value]
    typer.echo(json.dumps(plain, indent=2, ensure_ascii=False))
