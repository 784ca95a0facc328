"""The agent's modules as one text, and the command that runs them on the login node."""

import shlex
from importlib.resources import files

PACKAGE = "gql_gateway.cluster.agent"
MODULES = (
    "wire",
    "paths",
    "removal",
    "arrival",
    "room",
    "files",
    "parts",
    "transfer",
    "archive",
    "follow",
    "guard",
    "commands",
    "main",
)

_LOADER = "import sys;i=sys.stdin.buffer;exec(compile(i.read(int(i.readline())),'gql-gateway-agent','exec'))"
_START = """
import sys, types
for name, text in {modules}:
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(text, name, "exec"), module.__dict__)
sys.modules["{package}.main"].main({sentinel})
"""


def _modules() -> tuple[tuple[str, str], ...]:
    folder = files(PACKAGE)
    # The package itself is first and empty: `from package import module` finds the module by its whole name.
    return ((PACKAGE, ""), *((f"{PACKAGE}.{name}", (folder / f"{name}.py").read_text("utf-8")) for name in MODULES))


_MODULES = _modules()


def command(python: str) -> str:
    """What sshd is asked to run: one line that every shell reads alike, csh and fish too.

    -I and -S keep the account's own Python settings and site packages out.
    """
    return f'exec {shlex.quote(python)} -I -S -u -c "{_LOADER}"'


def source(sentinel: str) -> bytes:
    """What it reads from standard input before any frame: the length, a newline, the program.

    The program prints `sentinel` first, so whatever a start-up file printed before is told apart.
    """
    text = _START.format(modules=ascii(_MODULES), package=PACKAGE, sentinel=ascii(sentinel)).encode()
    return b"%d\n%b" % (len(text), text)
