"""`agent`: what a site installs that pins the gateway's key to it."""

from typing import Annotated

import typer

from gql_gateway.cli.options import Config, settings_of
from gql_gateway.cluster import bundle
from gql_gateway.cluster.pinning import authorized_key
from gql_gateway.web.app import account_login, cluster_config


def agent(
    config: Config = None,
    authorized_keys: Annotated[
        bool, typer.Option("--authorized-keys", help="Print the line for authorized_keys instead, one a cluster.")
    ] = False,
    path: Annotated[
        str, typer.Option("--path", metavar="FILE", help="Where it is installed on the login node.")
    ] = "/opt/gql-gateway/agent.py",
    account: Annotated[
        str | None,
        typer.Option("--account", metavar="NAME", help="The lines for a user's own account on the clusters."),
    ] = None,
) -> None:
    """Print the agent, for a site that lets the gateway's SSH key run it and nothing else.

    Install it where only root can write, and again after an update that `gql-gateway doctor` says needs it. Then let
    `--authorized-keys` print the line for the key.
    """
    if not authorized_keys:
        typer.echo(bundle.TEXT.decode(), nl=False)
        return
    for cluster in settings_of(config).clusters:
        shared, login = cluster_config(cluster), account_login(cluster)
        if account is None:
            typer.echo(authorized_key(shared, path))
        elif login:
            typer.echo(authorized_key(login.config(shared, account), path))
