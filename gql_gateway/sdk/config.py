"""Where the gateway is and who you are: from arguments, the environment, or the files that `hpc login` writes."""

import os
import stat
from pathlib import Path

from gql_gateway.sdk.errors import ConfigurationError

URL_VARIABLE = "GQL_GATEWAY_URL"
TOKEN_VARIABLE = "GQL_GATEWAY_TOKEN"  # noqa: S105 - the variable's name


def directory() -> Path:
    """The folder of the files: `~/.config/gql-gateway`, or where XDG_CONFIG_HOME says."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "gql-gateway"


def find_url(url: str | None) -> str:
    """The gateway's address.

    Raises:
        ConfigurationError: it is nowhere, or no http(s) address.
    """
    found = url or os.environ.get(URL_VARIABLE) or _read(directory() / "url")
    if not found:
        raise ConfigurationError(
            "The gateway's address is not known.",
            detail=f"Give `url` (`hpc --url`), set {URL_VARIABLE}, or run: hpc login URL",
        )
    if not found.startswith(("http://", "https://")):
        raise ConfigurationError(f"{found!r} is no address.", detail="It begins with https:// or http://.")
    return found.rstrip("/").removesuffix("/graphql")


def find_token(token: str | None) -> str | None:
    """Your token, or None: `heartbeat` needs none.

    Raises:
        ConfigurationError: others on this machine can read the token's file.
    """
    if found := token or os.environ.get(TOKEN_VARIABLE):
        return found
    path = directory() / "token"
    if path.exists() and os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise ConfigurationError(f"Others can read your token in {path}.", detail=f"Run: chmod 600 {path}")
    return _read(path)


def remember(url: str, token: str) -> Path:
    """Keep address and token for later calls; only you can read them. Answers with the folder."""
    folder = directory()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(folder / "url", url)
    _write(folder / "token", token)
    return folder


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip() or None
    except FileNotFoundError:
        return None


def _write(path: Path, text: str) -> None:
    """Replace the file whole, so that no reader sees half a token and no old, wider mode survives."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text + "\n")
    fresh.replace(path)
