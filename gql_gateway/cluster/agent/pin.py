"""A pinned agent: one that a site installed, and named in authorized_keys as all that the gateway's key runs.

It runs its own text, whatever is sent; Slurm's commands, in the words that the gateway has for them; and nothing
outside of its root. `agent.py root=/scratch/gateway container=singularity slurm_path=` says what is the site's to say.
"""

import io
import re
from typing import Iterator, List, Optional

from gql_gateway.cluster.agent.wire import Header, Wrong

DIGITS = 8

_TOKENS = "gw-[0-9a-f]{32}(,gw-[0-9a-f]{32})*"
# Behind a program's name, each word after a newline. `scontrol write batch_script` would write a file of any name on
# this machine, `sbatch FILE` would read one: only what is asked for is let through.
COMMANDS = {
    "sbatch": rf"(\n--(parsable|ignore-pbs|no-requeue|test-only|export=NONE|dependency=singleton|job-name={_TOKENS}))+",
    "squeue": rf"(\n--(me|noheader|states=all|Format=[A-Za-z_:0-9,]+|name={_TOKENS}))+",
    "sacct": rf"(\n--(allocations|noheader|parsable2|noconvert|(format|state|starttime|endtime)=[A-Za-z0-9:,+-]+"
    rf"|name={_TOKENS}))+",
    "scancel": r"(\n--state=PENDING)?\n[0-9]+",
    "sinfo": r"(\n--(noheader|format=[%A-Za-z|]+))+",
    "scontrol": r"\n(ping|--version)",
}
CONTAINER = r"\n(exec\n--help|--version)"


class Pin:
    """What the site said in authorized_keys, and what it keeps from being done."""

    def __init__(self, file: str, words: List[str]) -> None:
        given = dict(word.partition("=")[::2] for word in words)
        self.file = file
        self.root = given.get("root", "")
        self.container = given.get("container", "")
        self.slurm_path = given.get("slurm_path", "")

    def compare(self, source: io.BufferedReader) -> Optional[Wrong]:
        """Read the text that the gateway sends, and say so if it is another than the one that runs here."""
        sent = source.read(length(source))
        with open(self.file, "rb") as file:
            if sent == file.read():
                return None
        words = f"The agent that the key is pinned to, {self.file}, is of another version: "
        return Wrong("CLUSTER_UNAVAILABLE", words + "install the output of `gql-gateway agent` there.")

    def check(self, request: Header) -> None:
        """Refuse what is not the gateway's to ask for."""
        if request["op"] == "run":
            self.check_command(request["argv"], request["slurm_path"])
        elif request.get("root", self.root) != self.root:
            raise Wrong("CLUSTER_UNAVAILABLE", f"The key is pinned to the root folder {self.root}.")
        elif not all(is_name(word) for key, value in request.items() if key != "root" for word in words_in(value)):
            raise Wrong("PATH_NOT_ALLOWED", "The key is pinned to files below the root folder.")

    def check_command(self, argv: List[str], slurm_path: str) -> None:
        """Let through what is known, of the folder and under the name that the site gave."""
        if slurm_path != self.slurm_path:
            raise Wrong("CLUSTER_UNAVAILABLE", f"The key is pinned to slurm_path = {self.slurm_path!r}.")
        known = CONTAINER if argv[0] == self.container else COMMANDS.get(argv[0])
        if known is None or not re.fullmatch(known, "".join(f"\n{word}" for word in argv[1:])):
            words = f"The key is pinned to Slurm's commands and container = {self.container!r}: {argv[0]} was not run."
            raise Wrong("CLUSTER_UNAVAILABLE", words)


def length(source: io.BufferedReader) -> int:
    """The number that stands before the text; whoever begins otherwise, sftp say, is told at once and let go."""
    digits = b""
    while True:
        digit = source.read(1)
        if digit == b"\n" and digits:
            return int(digits)
        if not digit.isdigit() or len(digits) == DIGITS:
            raise SystemExit("This key runs the agent of gql-gateway, and nothing else.")
        digits += digit


def is_name(word: str) -> bool:
    """Whether a word leads from a folder to nothing but an entry of it."""
    return "/" not in word and word != ".."


def words_in(value: object) -> Iterator[str]:
    """Every text in a value, however deep in lists."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from words_in(item)
