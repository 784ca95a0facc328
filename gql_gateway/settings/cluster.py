"""A cluster in the configuration: its keys, defaults and meanings."""

from typing import Literal

from pydantic import Field, model_validator

from gql_gateway.settings.fields import (
    AccountFolder,
    AccountKey,
    AccountTable,
    AccountTemplate,
    ClusterFolder,
    Domains,
    ExistingFile,
    Words,
)
from gql_gateway.settings.section import Section

_NAME = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$"
_ACCOUNTS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "shared": (frozenset(), frozenset()),
    "template": (
        frozenset({"account_template", "account_domains", "account_root"}),
        frozenset({"account_private_key"}),
    ),
    "table": (frozenset({"account_table", "account_root"}), frozenset({"account_private_key"})),
}
"""For each kind of `account`: the keys that it needs, and that it allows beside."""
_MEANT = frozenset(key for needed, allowed in _ACCOUNTS.values() for key in needed | allowed)


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
    account: Literal["shared", "template", "table"] = Field(
        "shared",
        description="As which account users' jobs run and their files are kept: the service account (`shared`), or one "
        "of each user's own, named by `account_template` or in `account_table`. The service account then only asks "
        "how the cluster is and which accounts there are.",
    )
    account_template: AccountTemplate | None = Field(
        None,
        description="Name of a user's account: `{local}` stands for the part of the address before `@` as it is. "
        "`{folder}` for the user's folder, which is taken only where it is that part letter by letter.",
    )
    account_domains: Domains = Field(
        (),
        description="What stands behind `@` in addresses for which `account_template` holds: domains in which the part "
        "before `@` tells whose account it is. Nobody else has an account.",
    )
    account_table: AccountTable | None = Field(
        None,
        description="File with a line `ADDRESS ACCOUNT` for each user, `#` begins a comment. It is read again when it "
        "was changed.",
    )
    account_root: AccountFolder | None = Field(
        None,
        description="Each account's `root`, with `{account}` for its name: `/home/{account}/hpcgw`. It is made where "
        "the folder above it is there.",
    )
    account_private_key: AccountKey | None = Field(
        None,
        description="SSH key to log in as a user's account, with `{account}` for its name or one for all; a "
        "certificate beside it (`KEY-cert.pub`) is used. Without it: `private_key`.",
    )
    account_least_uid: int = Field(
        1000, ge=1, description="Accounts with a lower number on the cluster are the system's and never used."
    )
    account_deny: Words = Field(
        (),
        description="Accounts that are never used, such as administrators'; `root` and the service account never are.",
    )

    @model_validator(mode="after")
    def _accounts_as_a_whole(self) -> "ClusterSettings":
        needed, allowed = _ACCOUNTS[self.account]
        for key in sorted(needed):
            if not getattr(self, key):
                raise ValueError(f'`account = "{self.account}"` needs `{key}`')
        for key in sorted(_MEANT - needed - allowed):
            if getattr(self, key):
                raise ValueError(f'`{key}` has no meaning with `account = "{self.account}"`')
        return self
