"""Multipart bodies taken apart as they arrive: one part after the other, and nothing kept."""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from gql_gateway.core.errors import BadRequest, RequestTooLarge

_BROKEN = "The multipart body is malformed, or it ends too early."


@dataclass(frozen=True, slots=True)
class Part:
    """The beginning of a part: its field's name, and its file's name where it has one."""

    name: str
    filename: str | None


class _End:
    """The end of a part, or of the whole body."""


_END_OF_PART = _End()
_END_OF_BODY = _End()


class _Finds:
    """What the parser calls: gathers beginnings of parts, their bytes and their ends, in order."""

    def __init__(self) -> None:
        self.queue: deque[Part | bytes | _End] = deque()
        self._headers: dict[bytes, bytes] = {}
        self._name = self._value = b""

    def on_part_begin(self) -> None:
        self._headers = {}

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        self._headers[self._name.lower()] = self._value
        self._name = self._value = b""

    def on_headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        filename = options.get(b"filename")
        self.queue.append(Part(_text(options.get(b"name", b"")), None if filename is None else _text(filename)))

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self.queue.append(data[start:end])

    def on_part_end(self) -> None:
        self.queue.append(_END_OF_PART)

    def on_end(self) -> None:
        self.queue.append(_END_OF_BODY)


class MultipartReader:
    """Reads a body whose `content_type` is multipart/form-data.

    Raises:
        BadRequest: the content type has no boundary; each method also where the body is malformed or ends too early.
    """

    def __init__(self, content_type: str, body: AsyncIterator[bytes]) -> None:
        _, options = parse_options_header(content_type)
        if not (boundary := options.get(b"boundary")):
            raise BadRequest("The content type `multipart/form-data` needs a boundary.")
        self._body = body
        self._finds = finds = _Finds()
        self._over = False
        with _complaints():
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": finds.on_part_begin,
                    "on_header_field": finds.on_header_field,
                    "on_header_value": finds.on_header_value,
                    "on_header_end": finds.on_header_end,
                    "on_headers_finished": finds.on_headers_finished,
                    "on_part_data": finds.on_part_data,
                    "on_part_end": finds.on_part_end,
                    "on_end": finds.on_end,
                },
            )

    async def next_part(self) -> Part | None:
        """Go to the next part, over whatever is left of this one; None where there are no more."""
        while not self._over:
            found = await self._next()
            if isinstance(found, Part):
                return found
            self._over = found is _END_OF_BODY
        return None

    async def data(self) -> AsyncGenerator[bytes, None]:
        """The bytes of the part that was begun, once."""
        while isinstance(found := await self._next(), bytes):
            yield found

    async def text(self, limit: int) -> bytes:
        """The whole content of the part that was begun, which must be small.

        Raises:
            RequestTooLarge: it has more bytes than the limit.
        """
        content = bytearray()
        async for data in self.data():
            content += data
            if len(content) > limit:
                raise RequestTooLarge(f"A part of this request that is no file has more than {limit} bytes.")
        return bytes(content)

    async def _next(self) -> Part | bytes | _End:
        while not self._finds.queue:
            data = await anext(self._body, b"")
            if not data:
                raise BadRequest(_BROKEN)
            with _complaints():
                self._parser.write(data)
        return self._finds.queue.popleft()


@contextmanager
def _complaints() -> Iterator[None]:
    """Put what the parser complains of into words for the sender."""
    try:
        yield
    except FormParserError:
        raise BadRequest(_BROKEN) from None


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise BadRequest("Names of parts and files must be UTF-8.") from None
