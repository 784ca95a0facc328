"""`token create|list|revoke`: the gateway's own tokens."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from gql_gateway.cli.options import Config, make_ready, settings_of
from gql_gateway.core.identity import Role
from gql_gateway.store.database import Database
from gql_gateway.web.auth import ApiTokens

T = TypeVar("T")
app = typer.Typer(no_args_is_help=True, help="Make, list and end API tokens.", rich_markup_mode="markdown")


@app.command()
def create(
    *,
    email: Annotated[str, typer.Option(help="Whose token it is; one address is one user.")],
    name: Annotated[str, typer.Option(help="The person's name.")],
    role: Annotated[Role, typer.Option(help="`admin` sees and cancels everybody's jobs.")] = Role.USER,
    days: Annotated[int, typer.Option(min=0, max=36500, help="How long it works; 0: until it is revoked.")] = 365,
    config: Config = None,
) -> None:
    """Make a token and print it, once, alone on standard output.

    Only a hash of it is kept: `TOKEN=$(gql-gateway token create --email a.b@c.org --name "A B" -c gateway.toml)`.
    """
    lifetime = timedelta(days=days) if days else None
    row, token = _with_tokens(config, lambda tokens: tokens.create(email, name, role, lifetime))
    typer.echo(f"Token {row.id} for {row.email}, {_until(row.expires_at)}.", err=True)
    typer.echo(token)


@app.command("list")
def list_(config: Config = None) -> None:
    """List all tokens, without their secrets."""
    rows = [("ID", "E-MAIL", "ROLE", "MADE", "LAST USED", "STATE", "NAME")]
    for row in _with_tokens(config, ApiTokens.every):
        state = f"revoked {_day(row.revoked_at)}" if row.revoked_at else _until(row.expires_at)
        rows.append((row.id, row.email, row.role, _day(row.created_at), _day(row.last_used_at), state, row.name))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for cells in rows:
        typer.echo("  ".join(map(str.ljust, cells, widths)).rstrip())


@app.command()
def revoke(
    token_id: Annotated[str, typer.Argument(metavar="ID", help="As `token list` prints it.")], config: Config = None
) -> None:
    """End a token now."""
    if not _with_tokens(config, lambda tokens: tokens.revoke(token_id)):
        typer.echo(f"There is no token {token_id} that still works. `gql-gateway token list` shows all.", err=True)
        raise typer.Exit(1)
    typer.echo(f"Token {token_id} is revoked.")


def _with_tokens(config: Path | None, act: Callable[[ApiTokens], Awaitable[T]]) -> T:
    return asyncio.run(_act(Database(settings_of(config).store.database), act))


async def _act(database: Database, act: Callable[[ApiTokens], Awaitable[T]]) -> T:
    try:
        await make_ready(database)
        return await act(ApiTokens(database))
    finally:
        await database.close()


def _until(end: datetime | None) -> str:
    return f"until {_day(end)}" if end else "until it is revoked"


def _day(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else "never"
