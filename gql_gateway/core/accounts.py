"""Words for accounts on a cluster: a key such as `local@alice` names the cluster `local` as the account alice uses it.

In the store, and for everything that works for a job, such a key is the cluster's name: each account is a cluster of
its own. Only what decides whose account it is, what opens connections and what people read takes a key apart.
"""

import re

NAME = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")
"""Names of accounts: as useradd takes them, with dots. No separator of paths or keys, and no option of a command."""

PLACE = re.compile(r"\{(local|folder)\}")
"""What stands for a part of the address in a template."""

_SEPARATOR = "@"


def key_of(cluster: str, account: str) -> str:
    """The key of a cluster as an account uses it.

    >>> key_of("local", "alice")
    'local@alice'
    """
    return f"{cluster}{_SEPARATOR}{account}"


def cluster_of(key: str) -> str:
    """The cluster that a key is of; a cluster's own name is one too."""
    return key.partition(_SEPARATOR)[0]


def account_of(key: str) -> str | None:
    """The account that a key is of; None for the cluster's own name."""
    return key.partition(_SEPARATOR)[2] or None


def spelled(template: str, email: str, folder: str) -> str | None:
    """The account that an address spells by a template; None where it spells none.

    `{local}` is the part before `@` as it is, `{folder}` the user's folder. In folders `_` stands for whatever is no
    letter, and who comes second gets another: so one is taken only where it is that part letter by letter. Else bob1@
    would get the account bob_ of whoever has it.

    >>> spelled("hpc-{local}", "bob1@example.org", "bob_")
    'hpc-bob1'
    """
    local = email.rpartition("@")[0]
    if "{folder}" in template and folder != local:
        return None
    # In one go: an address such as {folder}@ must not be a template itself.
    name = PLACE.sub(lambda place: {"local": local, "folder": folder}[place[1]], template)
    return name if NAME.fullmatch(name) else None


def read_table(text: str) -> dict[str, str]:
    """Accounts by address from lines `ADDRESS ACCOUNT`; `#` begins a comment.

    Raises:
        ValueError: a line is none, or an address stands in two; the text names the line.
    """
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) != 2 or "@" not in words[0] or not NAME.fullmatch(words[1]):  # noqa: PLR2004 - two words
            raise ValueError(f"line {number} is not an e-mail address and an account's name, with a space between")
        local, _, domain = words[0].rpartition("@")
        address = f"{local}@{domain.lower()}"
        if address in found:
            raise ValueError(f"line {number} names {address} once more")
        found[address] = words[1]
    return found
