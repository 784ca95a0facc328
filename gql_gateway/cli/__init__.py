"""The command line: `gql-gateway serve`, and what an operator needs around it."""

import os
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gql_gateway import __version__
from gql_gateway.cli import server, store, tokens
from gql_gateway.cli.agent import agent
from gql_gateway.cli.doctor import doctor
from gql_gateway.core.errors import Fault, GatewayError
from gql_gateway.settings import SettingsError


class _Commands(TyperGroup):
    """Says what the operator can put right in lines on standard error, without a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except SettingsError as error:
            typer.echo(error, err=True)
            raise typer.Exit(2) from None
        except GatewayError as error:
            detail = error.detail if isinstance(error, Fault) else None
            typer.echo(f"{error} {detail or ''}".strip(), err=True)
            raise typer.Exit(1) from None


app = typer.Typer(
    name="gql-gateway",
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    epilog="First time? Write a gateway.toml (docs/configuration.md), then: `gql-gateway doctor`, "
    "`gql-gateway token create`, `gql-gateway serve`, each with `--config gateway.toml`.",
)
app.command()(server.serve)
app.command()(server.schema)
app.command()(server.settings)
app.command()(store.migrate)
app.command()(doctor)
app.command()(agent)
app.add_typer(tokens.app, name="token")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def gateway(
    _version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    """A GraphQL gateway in front of a Slurm cluster."""


def main() -> None:
    """Run the command line."""
    # What it makes, the store and its key, is nobody else's to read.
    os.umask(0o077)
    app()
