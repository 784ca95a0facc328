"""The line of authorized_keys that ties a cluster's key to an agent which the site installed, and to nothing else."""

import shlex

import asyncssh

from gql_gateway.cluster.config import ClusterConfig
from gql_gateway.core.errors import ClusterUnavailable

_USUAL_PYTHON = "/usr/bin/python3"


def authorized_key(config: ClusterConfig, file: str) -> str:
    """The line for a cluster, with the agent in `file`; what the site says there must be what the gateway asks for.

    Raises:
        ClusterUnavailable: the key cannot be read.
    """
    try:
        public = asyncssh.read_private_key(config.private_key).export_public_key().decode().strip()
    except (OSError, ValueError) as error:
        raise ClusterUnavailable(f"The private key {config.private_key} cannot be read: {error}") from None
    # The whole path: the account's start-up files may set PATH.
    python = config.python if config.python.startswith("/") else _USUAL_PYTHON
    settings = {"root": config.root, "container": config.container, "slurm_path": config.slurm_path}
    words = [python, "-I", "-S", "-u", file, *(f"{name}={value}" for name, value in settings.items())]
    command = shlex.join(words).replace('"', '\\"')
    return f'restrict,command="{command}" {public}'
