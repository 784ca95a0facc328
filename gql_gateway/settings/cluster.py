"""A cluster in the configuration: its keys, defaults and meanings."""

from typing import Literal

from pydantic import Field

from gql_gateway.settings.fields import ClusterFolder, ExistingFile, Words
from gql_gateway.settings.section import Section

_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$"


class ClusterSettings(Section):
    """A Slurm cluster, reached by SSH. The first one is the default."""

    name: str = Field(pattern=_NAME, description="What the API calls it: letters, digits, `_` and `-`.")
    host: str = Field(min_length=1, description="Login node.")
    port: int = Field(22, ge=1, le=65535, description="SSH port.")
    username: str = Field(min_length=1, description="Service account on the login node.")
    private_key: ExistingFile = Field(description="The service account's SSH key, without a passphrase.")
    known_hosts: ExistingFile = Field(
        description="Host keys of the login node, as `ssh-keyscan` prints them; a host that is not in it is refused."
    )
    root: ClusterFolder = Field(description="Folder on the cluster in which users' folders are made.")
    container: str = Field(
        "singularity",
        pattern=r"^(singularity|apptainer|(/[A-Za-z0-9._+-]+)+)$",
        description="Container command on the compute nodes: `singularity`, `apptainer` or an absolute path.",
    )
    image_allow: Words = Field(
        ("docker://*", "oras://*", "library://*"),
        description="Images that jobs may use: patterns of URIs (`docker://*`) or absolute paths (`/opt/img/*.sif`).",
    )
    preamble: Words = Field(
        (), description="Shell lines of the site's own at the top of `run.sh`, such as `module load singularity`."
    )
    network: Literal["shared", "none"] = Field(
        "shared", description="What containers see of the network: `shared` with the node, or `none`."
    )
    poll_seconds: float = Field(10, ge=0.1, le=3600, description="Shortest time between two questions to Slurm.")
    max_sessions: int = Field(
        10, ge=2, le=1000, description="`MaxSessions` of the login node's sshd; at most half of it is used."
    )
    bulk_connections: int = Field(2, ge=1, le=16, description="SSH connections for files' bytes.")
    connect_timeout: float = Field(10, ge=0.1, le=300, description="Seconds from the first packet to the login's end.")
    keepalive_seconds: float = Field(
        15, ge=0.1, le=600, description="A silent connection is asked this often, and given up after three questions."
    )
    command_timeout: float = Field(
        60, ge=1, le=3600, description="Seconds for each Slurm command but `sbatch`; `squeue` itself gives up after 20."
    )
    submit_timeout: float = Field(
        150, ge=1, le=3600, description="Seconds for `sbatch`, which itself tries for about 120 on a full controller."
    )
    file_timeout: float = Field(60, ge=1, le=3600, description="Seconds for each operation on files but transfers.")
    stall_timeout: float = Field(120, ge=1, le=3600, description="Seconds after which a transfer that stands is cut.")
    python: str = Field(
        "python3", min_length=1, description="The login node's Python, 3.6 or newer: a name in PATH or absolute path."
    )
    slurm_path: str = Field(
        "",
        pattern=r"^((/[A-Za-z0-9._+-]+)+)?$",
        description="Folder of Slurm's commands, where the account's PATH does not have it.",
    )
