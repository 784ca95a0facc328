"""The agent's modules as one text, and the command that runs them on the login node.

The same text is a file that a site may install and pin the gateway's key to. It then compares itself with what it is
sent, so what is sent first (a length, the text, a line) stays as it is from one release to the next.
"""

import shlex
from importlib.resources import files

PACKAGE = "gql_gateway.cluster.agent"
MODULES = (
    "wire",
    "paths",
    "removal",
    "settling",
    "arrival",
    "room",
    "files",
    "digest",
    "parts",
    "transfer",
    "archive",
    "follow",
    "guard",
    "commands",
    "pin",
    "main",
)

_LOADER = "import sys;i=sys.stdin.buffer;exec(compile(i.read(int(i.readline())),'gql-gateway-agent','exec'))"
_START = """\
# The agent of gql-gateway: it runs on the login node, sent by the gateway each time, or installed by the site.
import sys, types

for name, text in (
{modules}):
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(text, name, "exec"), module.__dict__)
sys.modules["{package}.main"].main(sys.argv)
"""


def _text() -> bytes:
    folder = files(PACKAGE)
    # The package itself is first and empty: `from package import module` finds the module by its whole name.
    modules = [(PACKAGE, ""), *((f"{PACKAGE}.{name}", (folder / f"{name}.py").read_text("utf-8")) for name in MODULES)]
    return _START.format(modules="".join(_written(*module) for module in modules), package=PACKAGE).encode()


def _written(name: str, text: str) -> str:
    """A module as a literal with one line for each of its own, so that whoever installs it can read it."""
    lines = "\n".join(ascii(line) for line in text.splitlines(keepends=True) or [""])
    return f"({name!a},\n{lines}),\n"


TEXT = _text()


def command(python: str) -> str:
    """What sshd is asked to run: one line that every shell reads alike, csh and fish too.

    -I and -S keep the account's own Python settings and site packages out.
    """
    return f'exec {shlex.quote(python)} -I -S -u -c "{_LOADER}"'


def source(sentinel: str) -> bytes:
    """What it reads from standard input before any frame: the length, a newline, the program, and `sentinel`.

    The program prints that line first, so whatever a start-up file printed before is told apart.
    """
    return b"%d\n%b%b" % (len(TEXT), TEXT, sentinel.encode())
