"""A lane with a standing agent: it is started when needed, and again when it is gone."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from gql_gateway.cluster.channel import AgentChannel, ConnectionGone, Reply
from gql_gateway.cluster.config import ClusterConfig
from gql_gateway.cluster.journal import Journal, Observer
from gql_gateway.cluster.slurm import Answer
from gql_gateway.cluster.ssh import Lane
from gql_gateway.cluster.use import Use
from gql_gateway.core.errors import ClusterTimeout, ClusterUnavailable

OUTPUT_LIMIT = 32 * 2**20


class Remote:
    """Requests to a cluster over one lane."""

    def __init__(self, lane: Lane, config: ClusterConfig, observe: Observer) -> None:
        self._lane = lane
        self._config = config
        self._journal = Journal(config.name, lane.name, observe)
        self._agent: AgentChannel | None = None
        self._starting = asyncio.Lock()
        self.use = Use()

    async def call(
        self,
        op: str,
        fields: Mapping[str, object],
        *,
        seconds: float,
        again: bool = True,
        body: bytes = b"",
        name: str = "",
    ) -> Reply:
        """Make a request; what does no harm when done twice (`again`) is tried once more on a new connection.

        Raises:
            ClusterUnavailable: it was not done.
            ClusterTimeout: it may or may not have been done.
            Refused: what the agent says.
        """
        with self._journal.entry(name or op), self.use.taken():
            try:
                return await (await self._ready()).request(op, fields, seconds=seconds, body=body)
            except ConnectionGone:
                return await self._once_more(op, fields, again, seconds=seconds, body=body)

    async def run(
        self, argv: Sequence[str], *, seconds: float, again: bool = True, text: str = "", enough: str | None = None
    ) -> Answer:
        """Run a command with `text` as its input; once its output is `enough` (a pattern), it has succeeded.

        Raises:
            ClusterUnavailable, ClusterTimeout: as `call`.
        """
        answer = await self.call(
            "run",
            {**self._command(argv), **({"enough": enough} if enough else {})},
            seconds=seconds,
            again=again,
            body=text.encode(),
            name=argv[0],
        )
        header, split = answer.header, answer.header["out"]
        out, err = answer.body[:split].decode(errors="replace"), answer.body[split:].decode(errors="replace")
        return Answer(header["exit"], out, err)

    async def start(self, argv: Sequence[str]) -> None:
        """Have a command that reads input load while its input is not known; `run` with the same words goes on with it.

        Where the connection does not stand, or `run` does not come within 2 s, it is as if nothing had been said.
        """
        if self._agent:
            self._agent.tell("run", {**self._command(argv), "early": True})
            # What was written leaves at the next turn of the event loop, which the caller would keep busy.
            await asyncio.sleep(0)

    async def follow(self, news: Callable[[Reply], None], fields: Mapping[str, object]) -> NoReturn:
        """Follow a file until the connection is gone.

        Raises:
            ClusterUnavailable: it is gone, or was never there.
            Refused: what the agent says.
        """
        with self.use.taken():
            try:
                await (await self._ready()).follow(news, fields)
            except ConnectionGone:
                raise ClusterUnavailable("The connection to the cluster was lost.") from None

    async def rest(self) -> None:
        """Close as long as nothing is under way; the next request connects again."""
        async with self._starting:
            if self.use.idle:
                await self._end()

    async def close(self) -> None:
        """End the agent, then the connection."""
        async with self._starting:
            await self._end()

    async def _end(self) -> None:
        if self._agent:
            await self._agent.__aexit__()
            self._agent = None
        await self._lane.close()

    def _command(self, argv: Sequence[str]) -> dict[str, object]:
        return {"argv": list(argv), "limit": OUTPUT_LIMIT, "slurm_path": self._config.slurm_path}

    async def _ready(self) -> AgentChannel:
        async with self._starting:
            if self._agent and not self._agent.alive:
                await self._agent.__aexit__()
                self._agent = None
            if self._agent is None:
                self._agent = await AgentChannel(self._lane, self._config).__aenter__()
            return self._agent

    async def _once_more(
        self, op: str, fields: Mapping[str, object], again: bool, *, seconds: float, body: bytes
    ) -> Reply:
        if not again:
            raise ClusterTimeout("The connection was lost before the cluster answered.")
        try:
            return await (await self._ready()).request(op, fields, seconds=seconds, body=body)
        except ConnectionGone:
            raise ClusterUnavailable("The connection to the cluster was lost, twice.") from None
