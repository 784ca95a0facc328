"""The gateway's end of one agent: requests by number, answers as they come, growing files as events."""

import asyncio
import itertools
import secrets
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, NoReturn, Self

import asyncssh
import orjson
import structlog

from gql_gateway.cluster import bundle
from gql_gateway.cluster.agent.wire import LENGTHS, PROTOCOL
from gql_gateway.cluster.config import ClusterConfig
from gql_gateway.cluster.ssh import Lane, Process
from gql_gateway.core.errors import ClusterTimeout, ClusterUnavailable, ErrorCode, GatewayError, refuse

log = structlog.get_logger()

LARGEST_FRAME = 64 * 2**20
GRACE = 5.0
STDERR_TAIL = 2000

Header = dict[str, Any]
LOST = (asyncssh.Error, OSError, asyncio.IncompleteReadError)


class ConnectionGone(Exception):
    """The connection ended before the answer came."""


class AgentFault(GatewayError):
    """The agent made a mistake of its own."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What the agent answered: a header and bytes."""

    header: Header
    body: bytes


def frame(header: Header, body: bytes = b"") -> bytes:
    """A frame as it goes over the wire."""
    head = orjson.dumps(header)
    return LENGTHS.pack(len(head), len(body)) + head + body


async def read_frame(process: Process) -> Reply:
    """The next frame.

    Raises:
        LOST: the channel ended; a frame larger than the agent sends counts as such.
    """
    head, size = LENGTHS.unpack(await process.stdout.readexactly(LENGTHS.size))
    if head + size > LARGEST_FRAME:
        raise ConnectionResetError("what answers is not the agent")
    header = orjson.loads(await process.stdout.readexactly(head))
    return Reply(header, await process.stdout.readexactly(size) if size else b"")


def raise_error(error: list[str]) -> NoReturn:
    """Raise what the agent says went wrong."""
    code, words = error
    match code:
        case "INTERNAL":
            raise AgentFault(words)
        case "CLUSTER_UNAVAILABLE":
            raise ClusterUnavailable(words)
        case "CLUSTER_TIMEOUT":
            raise ClusterTimeout(words)
        case _:
            raise refuse(ErrorCode(code), words)


async def greet(process: Process, config: ClusterConfig) -> None:
    """Send the agent, and wait for its first words behind whatever the shell's start-up files print.

    Raises:
        ClusterUnavailable: it did not start; the words say what the login node printed instead, or that the site
            pinned the key to an agent of another version.
    """
    sentinel = f"<agent {secrets.token_hex(16)}>\n"
    try:
        async with asyncio.timeout(2 * config.connect_timeout):
            process.stdin.write(bundle.source(sentinel))
            await process.stdout.readuntil(f"\n{sentinel}".encode())
            hello = await read_frame(process)
    except TimeoutError:
        raise ClusterUnavailable("The login node took too long to start the gateway's agent.") from None
    except LOST as error:
        raise ClusterUnavailable("The gateway's agent did not start.", await _last_words(process, error)) from error
    if wrong := hello.header.get("error"):
        raise_error(wrong)
    if hello.header.get("protocol") != PROTOCOL:
        raise ClusterUnavailable("The login node runs an agent of another version of the gateway.")
    log.debug("agent started", cluster=config.name, python=hello.header.get("python"))


async def _last_words(process: Process, error: Exception) -> str:
    """What a shell without our Python says before it ends."""
    printed = error.partial if isinstance(error, asyncio.IncompleteReadError) else b""
    try:
        async with asyncio.timeout(1):
            printed += await process.stderr.read(STDERR_TAIL)
    except (TimeoutError, *LOST):
        pass
    return printed[-STDERR_TAIL:].decode(errors="replace").strip() or str(error)


class AgentChannel:
    """One running agent. Requests may be made concurrently; each has its number."""

    def __init__(self, lane: Lane, config: ClusterConfig) -> None:
        self._lane = lane
        self._config = config
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._watching: dict[int, Callable[[Reply], None]] = {}
        self._stack = AsyncExitStack()
        self._process: Process | None = None
        self._readers: tuple[asyncio.Task[None], ...] = ()

    async def __aenter__(self) -> Self:
        try:
            self._process = await self._stack.enter_async_context(
                self._lane.process(bundle.command(self._config.python))
            )
            await greet(self._process, self._config)
        except BaseException:
            await self._stack.aclose()
            raise
        self._readers = (
            asyncio.create_task(self._read(self._process)),
            asyncio.create_task(self._errors(self._process)),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)
        await self._stack.aclose()
        self._process = None

    @property
    def alive(self) -> bool:
        """Whether requests can be made."""
        return self._process is not None and not self._readers[0].done()

    async def request(self, op: str, fields: Mapping[str, object], *, seconds: float, body: bytes = b"") -> Reply:
        """Ask, and wait for the answer.

        Raises:
            ConnectionGone: the connection ended first.
            ClusterTimeout: no answer within `seconds` and some grace, in which the agent would have said so itself.
            Refused: what the agent says.
        """
        number, answer = self._expect()
        try:
            async with asyncio.timeout(seconds + GRACE):
                await self._send(frame({"id": number, "op": op, "seconds": seconds, **fields}, body))
                return await answer
        except TimeoutError:
            await self._suspect()
            raise ClusterTimeout(f"The cluster did not answer within {seconds:g} s.") from None
        finally:
            self._waiting.pop(number, None)

    def tell(self, op: str, fields: Mapping[str, object]) -> None:
        """Ask for what nobody waits for; it may be lost, or fail."""
        if self.alive and self._process:
            self._process.stdin.write(frame({"id": next(self._numbers), "op": op, **fields}))

    async def follow(self, news: Callable[[Reply], None], fields: Mapping[str, object]) -> NoReturn:
        """Have `news` called with each growth of a file, until cancelled.

        Raises:
            ConnectionGone, Refused: as `request`.
        """
        number, end = self._expect()
        self._watching[number] = news
        try:
            await self._send(frame({"id": number, "op": "follow", **fields}))
            await end
            raise AgentFault("a followed file has no end")
        finally:
            del self._watching[number]
            self._waiting.pop(number, None)
            self.tell("drop", {"follow": number})

    def _expect(self) -> tuple[int, asyncio.Future[Reply]]:
        if not self.alive:
            raise ConnectionGone
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        return number, self._waiting[number]

    async def _send(self, data: bytes) -> None:
        if self._process is None:
            raise ConnectionGone
        try:
            self._process.stdin.write(data)
            await self._process.stdin.drain()
        except LOST as error:
            raise ConnectionGone from error

    async def _suspect(self) -> None:
        """Find out whether the agent is there at all; drop the connection where it is not."""
        try:
            number, pong = self._expect()
            async with asyncio.timeout(GRACE):
                await self._send(frame({"id": number, "op": "ping"}))
                await pong
        except (TimeoutError, ConnectionGone):
            self._lane.drop()

    async def _read(self, process: Process) -> None:
        """Hand out answers until the channel ends, then tell all who wait."""
        try:
            while True:
                self._hand_out(await read_frame(process))
        except LOST as error:
            log.info("agent gone", cluster=self._config.name, error=str(error))
        finally:
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(ConnectionGone())

    def _hand_out(self, answer: Reply) -> None:
        number = answer.header["id"]
        if "event" in answer.header:
            if watch := self._watching.get(number):
                watch(answer)
            return
        future = self._waiting.get(number)
        if future is None or future.done():
            return
        if error := answer.header.get("error"):
            try:
                raise_error(error)
            except GatewayError as raised:
                future.set_exception(raised)
        else:
            future.set_result(Reply(answer.header["ok"], answer.body))

    async def _errors(self, process: Process) -> None:
        """Log what the agent prints on its standard error: its tracebacks."""
        try:
            while printed := await process.stderr.read(STDERR_TAIL):
                log.warning("agent says", cluster=self._config.name, words=printed.decode(errors="replace"))
        except LOST:
            return
