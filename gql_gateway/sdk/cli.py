"""`hpc`: the scientist's command line."""

import sys
from typing import Annotated

import typer

from gql_gateway import __version__
from gql_gateway.sdk import cli_files, cli_jobs, cli_submit, errors
from gql_gateway.sdk.cli_common import AsJson, err, open_gateway, out, print_json, told
from gql_gateway.sdk.cli_show import clusters_table, heartbeat_lines
from gql_gateway.sdk.config import URL_VARIABLE, find_url, remember
from gql_gateway.sdk.gateway import HpcGateway

# The numbers of sysexits.h, far from what jobs and shells end with.
_REFUSED, _NOT_FOUND, _AWAY, _LATER, _NOT_ALLOWED, _SETUP = 65, 66, 69, 75, 77, 78
_ENDS: tuple[tuple[type[errors.GatewayError], int], ...] = (
    (errors.ConnectionLost, _AWAY),
    (errors.NotFound, _NOT_FOUND),
    (errors.Unauthenticated, _NOT_ALLOWED),
    (errors.Forbidden, _NOT_ALLOWED),
    (errors.ConfigurationError, _SETUP),
)
_CODES = (
    "**Exit codes**: 0 done; 2 the command line is wrong; 65 refused, with the reason; 66 not found; 69 the gateway "
    "cannot be reached; 75 try again later; 77 sign in; 78 `hpc login` first; 130 Ctrl-C. `wait` and "
    "`submit --wait` end with the job's own."
)

app = typer.Typer(
    name="hpc",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    epilog="**A day**\n\n`hpc login https://hpc.example.org`\n\n"
    "`hpc submit --image /opt/img/tool.sif --upload inputs/ -- 'tool a.txt > result.txt'`\n\n"
    "`hpc logs last -f`\n\n`hpc get last --to results/`\n\n" + _CODES,
)
app.add_typer(cli_submit.app)
app.add_typer(cli_jobs.app)
app.add_typer(cli_files.app)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def hpc(
    context: typer.Context,
    url: Annotated[
        str | None, typer.Option(envvar=URL_VARIABLE, help="The gateway's address; else that of `hpc login`.")
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """Run containers on a Slurm cluster, through its gateway."""
    context.obj = url


@app.command(epilog="**Examples**\n\n`hpc login https://hpc.example.org`\n\n`hpc login --token-stdin < token.txt`")
def login(
    context: typer.Context,
    url: Annotated[str | None, typer.Argument(metavar="URL", help="The gateway's address.")] = None,
    token_stdin: Annotated[bool, typer.Option("--token-stdin", help="Read the token from standard input.")] = False,
) -> None:
    """Keep the gateway's address and your token for later calls, and make your folder on the cluster.

    Whoever runs the gateway gives you a token; where it trusts your institute's sign-in, an access token of that.
    """
    address = find_url(url or context.obj)
    token = sys.stdin.readline() if token_stdin else typer.prompt("Token", hide_input=True, err=True)
    with HpcGateway(address, token.strip()) as gateway:
        try:
            user = gateway.create_user()
        except errors.Unauthenticated as refused:
            raise errors.Unauthenticated(refused.message, detail="Nothing was kept.") from None
    folder = remember(address, token.strip())
    err.print(f"You are {user.name} <{user.email}>; your folder is {user.folder}. Kept in {folder}.", markup=False)


@app.command(epilog="**Exit code**: 1 where a cluster cannot be reached, 69 where the gateway cannot.")
def status(context: typer.Context, as_json: AsJson = False) -> None:
    """Whether the gateway and its clusters work."""
    address = find_url(context.obj)
    with open_gateway(context) as gateway:
        heartbeat = gateway.heartbeat()
    if as_json:
        print_json(heartbeat)
    else:
        out.print(*heartbeat_lines(address, heartbeat), sep="\n")
    raise typer.Exit(0 if heartbeat.ok and all(cluster.available for cluster in heartbeat.clusters) else 1)


@app.command(epilog="**Example**\n\n`hpc cluster --json | jq '.[0].partitions[].name'`")
def cluster(context: typer.Context, as_json: AsJson = False) -> None:
    """The clusters, their partitions, and what is idle."""
    with open_gateway(context) as gateway:
        clusters = gateway.clusters()
    if as_json:
        print_json(clusters)
    else:
        out.print(clusters_table(clusters))


def main() -> None:
    """Run the command line; what goes wrong is words and an exit code, and no traceback."""
    try:
        app()
    except errors.GatewayError as error:
        err.print(told(error), style="red", markup=False)
        if isinstance(error, errors.ConnectionLost):
            err.print("Where the address is right, try again later.")
        elif error.retryable:
            err.print("Nothing is wrong with the command: try it again later.")
        sys.exit(exit_code(error))


def exit_code(error: errors.GatewayError) -> int:
    for kind, code in _ENDS:
        if isinstance(error, kind):
            return code
    return _LATER if error.retryable else _REFUSED


if __name__ == "__main__":
    main()
