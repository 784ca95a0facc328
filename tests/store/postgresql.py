"""A PostgreSQL server of one's own: thrown away at the end, on a socket in a folder of its own."""

import asyncio
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]  # it ships no types

_NOBODY = 65534
_FAST = ["fsync=off", "synchronous_commit=off", "full_page_writes=off", "shared_buffers=32MB", "max_connections=100"]


@dataclass(frozen=True)
class Server:
    """A running server; `folder` holds its socket."""

    folder: Path

    def url(self, name: str) -> str:
        return f"postgresql+asyncpg://postgres@/{name}?host={self.folder}"

    async def execute(self, statement: str, database: str = "postgres") -> None:
        connection = await asyncpg.connect(user="postgres", database=database, host=str(self.folder))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    @asynccontextmanager
    async def locked(self, number: int, database: str) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        """Hold an advisory lock; what is handed out waits until another waits for a lock in that database."""
        connection = await asyncpg.connect(user="postgres", database=database, host=str(self.folder))

        async def waiting() -> None:
            statement = (
                "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database "
                "WHERE NOT granted AND locktype = 'advisory' AND datname = current_database()"
            )
            async with asyncio.timeout(10):
                while not await connection.fetchval(statement):  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.01)

        try:
            await connection.execute(f"SELECT pg_advisory_lock({number})")
            yield waiting
        finally:
            await connection.close()


@contextmanager
def running(environment: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A server for the time of a `with`, with `environment` beside this process's own."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="gql-gateway-pg-"))
    if os.geteuid() == 0:
        os.chown(folder, _NOBODY, _NOBODY)
    data = folder / "data"
    arguments: list[str | Path] = [
        "-D",
        data,
        "-U",
        "postgres",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--no-locale",
        "--no-sync",
    ]
    subprocess.run(_unprivileged(programs / "initdb", *arguments), check=True, stdout=subprocess.DEVNULL, cwd="/")
    settings = [f"--{setting}" for setting in (*_FAST, "listen_addresses=", f"unix_socket_directories={folder}")]
    with (folder / "log").open("wb") as log:
        variables = [f"{name}={value}" for name, value in (environment or {}).items()]
        command = _unprivileged("env", *variables, programs / "postgres", "-D", data, *settings)
        server = subprocess.Popen(command, stderr=log, cwd="/")
    try:
        if not asyncio.run(_answers(Server(folder), server)):
            raise RuntimeError(f"PostgreSQL ended: {(folder / 'log').read_text()}")
        yield Server(folder)
    finally:
        server.send_signal(signal.SIGQUIT)  # "immediate": writes nothing more, it is thrown away
        server.wait(30)
        shutil.rmtree(folder)


def _programs() -> Path:
    """Debian keeps them out of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    if on_path := shutil.which("initdb"):
        found.append(Path(on_path).resolve())
    if not found:
        raise FileNotFoundError("The tests need PostgreSQL's server: on Debian the package `postgresql`.")
    return found[-1].parent


def _unprivileged(*argv: str | Path) -> list[str | Path]:
    """PostgreSQL refuses to run as root; and it is to end when the tests are killed."""
    drop = [f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"] if os.geteuid() == 0 else []
    return ["setpriv", *drop, "--pdeathsig=INT", "--", *argv]


async def _answers(server: Server, process: subprocess.Popen[bytes]) -> bool:
    async with asyncio.timeout(30):
        while process.poll() is None:
            try:
                await server.execute("SELECT 1")
            except (OSError, asyncpg.CannotConnectNowError):
                await asyncio.sleep(0.02)
            else:
                return True
    return False
