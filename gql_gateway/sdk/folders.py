"""Local folders: what of them is sent, where what comes back is put, and several transfers at once."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path, PurePath
from typing import BinaryIO, TypeVar

from gql_gateway.sdk.errors import PathNotAllowed

_T = TypeVar("_T")
_U = TypeVar("_U")


def regular_files(folder: Path) -> Iterator[tuple[Path, str]]:
    """The files below a folder with their paths relative to it, in order; links to files count, links to folders don't.

    Raises:
        NotADirectoryError: it is no folder.
    """
    for path in sorted(folder.iterdir()):
        if path.is_dir() and not path.is_symlink():
            yield from ((file, f"{path.name}/{below}") for file, below in regular_files(path))
        elif path.is_file():
            yield path, path.name


def local_path(root: Path, path: str) -> Path:
    """Where below `root` a file of a job's folder is put.

    The names come from a job, which may choose them to lead elsewhere on this machine.

    Raises:
        PathNotAllowed: it would leave `root`, or this system cannot hold such a name.
    """
    parts = path.split("/")
    for part in parts:
        if part in {"", ".", ".."} or "\0" in part or PurePath(part).parts != (part,) or PurePath(part).drive:
            raise PathNotAllowed(f"The path {path!r} cannot be put below {root}.")
    return root.joinpath(*parts)


@asynccontextmanager
async def whole_file(target: Path) -> AsyncGenerator[BinaryIO, None]:
    """A file that appears under its name when the block ends well, and leaves nothing behind when not."""
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            yield file
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


async def together(call: Callable[[_T], Awaitable[_U]], items: Iterable[_T], at_once: int) -> list[_U]:
    """Call for every item, a few at once, answers in order; the first failure ends the others and is raised."""
    results: dict[int, _U] = {}
    waiting = enumerate(items)

    async def work() -> None:
        for index, item in waiting:
            results[index] = await call(item)

    workers = [asyncio.ensure_future(work()) for _ in range(at_once)]
    try:
        await asyncio.gather(*workers)
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    return [results[index] for index in sorted(results)]
