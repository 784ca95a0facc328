"""Subscribers that lose their connection again and again, by WebSocket and by server-sent events."""

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager

import httpx
import websockets

from demo.gateway import GatewayProcess
from tests.faults.verdicts import stored

QUERY = "subscription($after: String) { jobStateChanged(after: $after) { cursor state previousState job { id } } }"
LOST = (OSError, EOFError, httpx.HTTPError, websockets.WebSocketException, TimeoutError)


class Refusal(Exception):
    """The subscription ended with errors."""

    @property
    def codes(self) -> list[str]:
        return [error["extensions"]["code"] for error in self.args[0]]


def _event(payload: dict) -> dict:
    if payload.get("errors"):
        raise Refusal(payload["errors"])
    return payload["data"]["jobStateChanged"]


async def by_socket(gateway: GatewayProcess, token: str, after: str | None) -> AsyncIterator[dict]:
    """Events over graphql-transport-ws until the connection ends."""
    url = gateway.url.replace("http", "ws", 1) + "/graphql"
    connection = await websockets.connect(url, subprotocols=["graphql-transport-ws"], open_timeout=20)
    try:
        await connection.send(json.dumps({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}}))
        assert json.loads(await connection.recv())["type"] == "connection_ack"
        payload = {"query": QUERY, "variables": {"after": after}}
        await connection.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        async for text in connection:
            message = json.loads(text)
            match message["type"]:
                case "next":
                    yield _event(message["payload"])
                case "error":
                    raise Refusal(message["payload"])
                case "ping":
                    await connection.send(json.dumps({"type": "pong"}))
                case "complete":
                    return
    finally:
        connection.transport.abort()


async def by_stream(gateway: GatewayProcess, token: str, after: str | None) -> AsyncIterator[dict]:
    """Events over server-sent events until the connection ends."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    body = {"query": QUERY, "variables": {"after": after}}
    async with (
        httpx.AsyncClient(timeout=20) as client,
        client.stream("POST", f"{gateway.url}/graphql", json=body, headers=headers) as answer,
    ):
        kind = ""
        async for line in answer.aiter_lines():
            name, _, value = line.partition(":")
            if name == "event":
                kind = value.strip()
            elif name == "data" and kind == "next":
                yield _event(json.loads(value))
            elif kind == "complete" and not line:
                return


Log = list[tuple[str, str, str]]
"""Cursor, job's id and state of each event."""


def log_of(store: str) -> Log:
    return [(str(event.id), f"job_{event.job_id}", event.state.value) for event in stored(store)[1]]


class Subscriber:
    """One that goes on behind the last event it has, after each cut."""

    def __init__(self, gateway: GatewayProcess, token: str, subscribe: object, seed: int) -> None:
        self._gateway, self._token, self._subscribe = gateway, token, subscribe
        self._chance = random.Random(seed)
        self.events: list[dict] = []
        self.connections = 0

    @property
    def told(self) -> Log:
        return [(one["cursor"], one["job"]["id"], one["state"]) for one in self.events]

    async def listen(self) -> None:
        while True:
            self.connections += 1
            try:
                async with asyncio.timeout(self._chance.uniform(0.1, 2.0)):
                    await self._take(self._chance.randint(1, 6))
            except LOST:
                await asyncio.sleep(0.02)

    async def _take(self, most: int) -> None:
        after = self.events[-1]["cursor"] if self.events else "0"
        async with aclosing(self._subscribe(self._gateway, self._token, after)) as events:
            async for event in events:
                self.events.append(event)
                most -= 1
                if not most:
                    return


@asynccontextmanager
async def listening(watchers: Sequence[Subscriber], store: str) -> AsyncIterator[None]:
    """Let them listen, and at the end until they have had as many events as the log has."""
    tasks = [asyncio.create_task(watcher.listen()) for watcher in watchers]
    try:
        yield
        everything = len(log_of(store))
        async with asyncio.timeout(60):
            while any(len(watcher.events) < everything for watcher in watchers):
                await asyncio.sleep(0.05)
    finally:
        for task in tasks:
            task.cancel()
