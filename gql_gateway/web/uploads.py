"""GraphQL multipart requests: the operation first, then its files, which go from the socket to where they belong.

https://github.com/jaydenseric/graphql-multipart-request-spec puts `operations` and `map` in front of the files. So the
operation starts when the first file does; bytes rest neither in memory nor on disk.
"""

from collections.abc import Callable
from typing import Any

from gql_gateway.api.scalars import OpenedFile, Upload
from gql_gateway.core.errors import BadRequest
from gql_gateway.web.multipart import MultipartReader, Part

_ORDER = "A multipart request has the parts `operations`, `map`, then the files."


class _Arrivals:
    """The files of one request, opened one after the other in the order in which they arrive."""

    def __init__(self, reader: MultipartReader) -> None:
        self._reader = reader
        self._current: Part | None = None

    async def advance(self) -> Part | None:
        """The next file's beginning; None where there are no more."""
        self._current = await self._reader.next_part()
        return self._current

    async def open(self, name: str) -> OpenedFile:
        """The file in the part with this name: this one or a later one.

        Raises:
            BadRequest: it is not among them.
        """
        while self._current is None or self._current.name != name:
            if await self.advance() is None:
                raise BadRequest(
                    f"The file part {name!r} is missing, or came before one that is used earlier: send files in the "
                    "order in which the mutations use them, each for one of them."
                )
        part, self._current = self._current, None
        return OpenedFile(part.filename, self._reader.data())


class _FilePart(Upload):
    """A file that is named in the map."""

    def __init__(self, name: str, arrivals: _Arrivals) -> None:
        self._name = name
        self._arrivals = arrivals

    async def open(self) -> OpenedFile:
        """Wait until the part begins."""
        return await self._arrivals.open(self._name)


async def read_operations(reader: MultipartReader, limit: int, decode: Callable[[bytes], Any]) -> dict[str, Any]:
    """The request of a multipart body, its files in place of the nulls that stood for them.

    Returns once the first file begins. `limit` is the size in bytes of `operations` and of `map`.

    Raises:
        BadRequest: parts in another order, a map or a path that is none, a file that is not sent.
    """
    operations = decode(await _field(reader, "operations", limit))
    paths = _checked(decode(await _field(reader, "map", limit)))
    if not isinstance(operations, dict):
        raise BadRequest("`operations` must be one GraphQL request, as a JSON object.")
    arrivals = _Arrivals(reader)
    for name, path in paths.items():
        _place(operations, path, _FilePart(name, arrivals))
    first = await arrivals.advance() if paths else None
    if paths and (first is None or first.name not in paths):
        raise BadRequest(f"The file part {next(iter(paths))!r} is missing.")
    return operations


async def _field(reader: MultipartReader, name: str, limit: int) -> bytes:
    part = await reader.next_part()
    if part is None or part.name != name:
        raise BadRequest(_ORDER)
    return await reader.text(limit)


def _checked(paths: Any) -> dict[str, str]:
    """Each file part's place in the operations."""
    if not isinstance(paths, dict):
        raise BadRequest("`map` must be a JSON object: names of file parts, each with a list of one path.")
    for name, places in paths.items():
        match places:
            case [str()]:
                continue
            case [str(), *_]:
                raise BadRequest(f"The file part {name!r} has several places; it is passed on as it arrives, to one.")
        raise BadRequest(f"The file part {name!r} must have a list of one path, such as ['variables.file'].")
    return {name: places[0] for name, places in paths.items()}


def _place(operations: dict[str, Any], path: str, file: Upload) -> None:
    """Put a file where a null stands for it."""
    root, *keys = path.split(".")
    if root != "variables" or not keys:
        raise BadRequest(f"The path {path!r} of `map` does not begin with `variables.`")
    target: Any = operations
    for key in (root, *keys[:-1]):
        target = _entry(target, key, path)
    if _entry(target, keys[-1], path) is not None:
        raise BadRequest(f"At the path {path!r} of `map` there must be a null for the file to take its place.")
    target[int(keys[-1]) if isinstance(target, list) else keys[-1]] = file


def _entry(container: Any, key: str, path: str) -> Any:
    if isinstance(container, dict) and key in container:
        return container[key]
    if isinstance(container, list) and key.isascii() and key.isdigit() and int(key[:9]) < len(container):
        return container[int(key[:9])]
    raise BadRequest(f"The path {path!r} of `map` leads nowhere.")
