"""A key that a site has pinned to the gateway's agent, the way that docs/security.md tells an administrator."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from demo.gateway import COMMAND, GatewayProcess
from slurm_site import SlurmSite


@dataclass(frozen=True, slots=True)
class PinnedKey:
    """The private key, the agent's file on the site, and the line that was put into authorized_keys."""

    private: Path
    file: str
    line: str


def pin(site: SlurmSite, folder: Path, name: str) -> PinnedKey:
    """Make a key and have the site let it run the agent alone, installed under a name of its own."""
    key = folder / f"{name}_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(key)], check=True)
    config = GatewayProcess(site, folder, key=key).config
    file = f"/opt/gql-gateway/{name}.py"
    line = agent_command("--authorized-keys", "--path", file, "--config", str(config))
    site.run(["mkdir", "-p", "/opt/gql-gateway"])
    site.run(["sh", "-c", f"cat >{file}"], input=agent_command())
    site.run(["sh", "-c", f"cat >>/home/{site.username}/.ssh/authorized_keys"], input=line)
    return PinnedKey(key, file, line)


def agent_command(*arguments: str) -> str:
    """What `gql-gateway agent` prints."""
    done = subprocess.run([*COMMAND, "agent", *arguments], check=True, capture_output=True, text=True, timeout=60)
    return done.stdout
