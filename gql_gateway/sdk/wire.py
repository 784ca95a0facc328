"""GraphQL over HTTP and WebSocket, carried by the `gql` library; its errors become this package's."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from functools import cache
from typing import Any, BinaryIO

from gql import Client, FileVar, GraphQLRequest, gql
from gql.client import AsyncClientSession
from gql.transport.exceptions import (
    TransportConnectionFailed,
    TransportError,
    TransportQueryError,
    TransportServerError,
)
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport
from websockets.exceptions import ConnectionClosed, InvalidStatus

from gql_gateway import __version__
from gql_gateway.sdk import documents, errors
from gql_gateway.sdk.patience import Patience

CALL_PATIENCE = 10.0
"""Seconds that one call is tried again; streams and transfers have more."""

_MESSAGE_BYTES = 16 * 2**20
_UNREAD_MESSAGES = 64
_SIGN_IN = frozenset({4401, 4403})
_NOT_HERE = frozenset({404, 405, 410})
_TEMPORARY = frozenset({502, 503, 504})
_FAILURES = (TransportError, asyncio.TimeoutError)  # two classes for a timeout in Python 3.10
HEADERS = {"User-Agent": f"gql-gateway-sdk/{__version__}"}

Token = str | Callable[[], str] | None


class Wire:
    """One gateway's GraphQL endpoint for one user, in one event loop."""

    def __init__(self, url: str, token: Token, timeout: float) -> None:
        self.url = url
        self._token = token
        self._timeout = timeout
        self._client: Client | None = None
        self._connecting = asyncio.Lock()

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close_async()  # type: ignore[no-untyped-call]
            self._client = None

    async def execute(
        self, operation: str, variables: Mapping[str, Any] | None = None, *, repeatable: bool = True
    ) -> dict[str, Any]:
        """The answer's data. `repeatable`: sent again after a lost connection, since twice is the same as once.

        Raises:
            GatewayError: what the gateway said.
            ConnectionLost: it could not be reached.
        """
        patience = Patience(CALL_PATIENCE if repeatable else 0)
        while True:
            try:
                return await self._execute(operation, variables)
            except errors.ConnectionLost as loss:
                await patience.after(loss)

    async def execute_in_part(self, operation: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        """The answer's data, also where the gateway could not fill all of it because the cluster cannot be asked.

        Raises:
            GatewayError: as `execute`.
        """
        try:
            return await self.execute(operation, variables)
        except (errors.ClusterUnavailable, errors.ClusterTimeout) as error:
            cause = error.__cause__
            if isinstance(cause, TransportQueryError) and cause.data:
                return dict(cause.data)
            raise

    async def mutate(self, operation: str, given: Mapping[str, Any], *, repeatable: bool) -> dict[str, Any]:
        """The payload of a document's one mutation.

        Raises:
            GatewayError: its `userErrors`, or as `execute`.
        """
        data = await self.execute(operation, {"input": given} if given else None, repeatable=repeatable)
        return payload_of(data)

    async def send_file(self, given: Mapping[str, Any], file: BinaryIO, name: str) -> dict[str, Any]:
        """The payload of the `upload` mutation with a file, on a connection of its own.

        The library keeps the open files of a request on its transport, so that two at once would mix theirs up.

        Raises:
            GatewayError: as `mutate`.
        """
        request = _request(documents.UPLOAD, {"input": {**given, "file": FileVar(file, filename=name)}})
        try:
            async with self._http_client() as session:
                return payload_of(await session.execute(request, upload_files=True))
        except _FAILURES as error:
            raise translate(error, self.url) from error

    async def subscribe(
        self, operation: str, variables: Mapping[str, Any], patience: Patience
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The answers of a subscription, on a connection of its own. Whoever has seen the last one leaves.

        Raises:
            GatewayError: what the gateway said.
            ConnectionLost: the connection or the stream ended.
        """
        transport = _UnhurriedTransport(
            self.url.replace("http", "ws", 1) + "/graphql",
            init_payload=self._authorization(),
            subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
            connect_args={"max_size": _MESSAGE_BYTES, "user_agent_header": HEADERS["User-Agent"]},
        )
        try:
            async with Client(transport=transport, execute_timeout=None) as session:
                patience.connected()
                async with aclosing(session.subscribe(_request(operation, variables))) as results:
                    async for result in results:
                        transport.taken()
                        yield result
            raise errors.ConnectionLost("The gateway ended the stream.")
        except _FAILURES as error:
            raise translate(error, self.url) from error

    async def _execute(self, operation: str, variables: Mapping[str, Any] | None) -> dict[str, Any]:
        session = await self._session()
        try:
            return await session.execute(_request(operation, variables))
        except _FAILURES as error:
            raise translate(error, self.url) from error

    async def _session(self) -> AsyncClientSession:
        async with self._connecting:
            if self._client is None:
                client = self._http_client()
                await client.connect_async()  # type: ignore[no-untyped-call]
                self._client = client
        session = self._client.session
        assert isinstance(session, AsyncClientSession)  # noqa: S101 - an async transport makes no other
        return session

    def _http_client(self) -> Client:
        transport = HTTPXAsyncTransport(self.url + "/graphql", headers=HEADERS, auth=self._sign, timeout=self._timeout)
        return Client(transport=transport, execute_timeout=None)

    def _sign(self, request: Any) -> Any:
        """Add the token as it is now: one that comes from a function may be another for each request."""
        request.headers.update(self._authorization())
        return request

    def _authorization(self) -> dict[str, str]:
        token = self._token() if callable(self._token) else self._token
        return {"Authorization": f"Bearer {token}"} if token else {}


class _UnhurriedTransport(WebsocketsTransport):
    """Reads on only after what arrived was taken: a slow reader slows the sender down and fills no memory."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(url, **options)
        self._room = asyncio.Semaphore(_UNREAD_MESSAGES)

    def taken(self) -> None:
        """One message was taken."""
        self._room.release()

    async def _handle_answer(self, answer_type: str, answer_id: int | None, execution_result: Any) -> None:
        if answer_type == "data":
            await self._room.acquire()
        await super()._handle_answer(answer_type, answer_id, execution_result)

    async def close(self) -> None:
        # The reading task may stand waiting for room; nobody takes any more, so all there is may be read and dropped.
        full, self._room = self._room, asyncio.Semaphore(2**30)
        full.release()
        await super().close()


@cache
def _parsed(operation: str) -> GraphQLRequest:
    return gql(operation)


def _request(operation: str, variables: Mapping[str, Any] | None) -> GraphQLRequest:
    return GraphQLRequest(_parsed(operation), variable_values=dict(variables or {}))


def payload_of(data: Mapping[str, Any]) -> dict[str, Any]:
    """The payload of a document's one mutation.

    Raises:
        GatewayError: its `userErrors`.
    """
    payload: dict[str, Any] = next(iter(data.values()))
    if payload["userErrors"]:
        raise errors.from_user_errors(payload["userErrors"])
    return payload


def translate(error: Exception, url: str) -> errors.GatewayError:
    """The error of this package for one of the library's."""
    if isinstance(error, TransportQueryError):
        return errors.from_graphql_errors(error.errors or [{"message": str(error)}])
    if isinstance(error, TransportServerError):
        return _from_status(error.code or 0, str(error), url)
    if isinstance(error, TransportConnectionFailed) or not isinstance(error, TransportError):
        return _from_loss(error, url)
    return errors.GatewayError(f"{url} does not answer like a gateway.", detail=str(error)[:500])


def _from_loss(error: BaseException, url: str) -> errors.GatewayError:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ConnectionClosed) and cause.rcvd is not None and cause.rcvd.code in _SIGN_IN:
            return errors.Unauthenticated(cause.rcvd.reason or "The gateway does not take this token.")
        if isinstance(cause, InvalidStatus):
            return _from_status(cause.response.status_code, str(cause), url)
        last, cause = cause, cause.__cause__
    words = str(last) or type(last).__name__
    return errors.ConnectionLost(f"The gateway at {url} cannot be reached or stopped answering: {words}.")


def _from_status(status: int, words: str, url: str) -> errors.GatewayError:
    words = words.partition("\n")[0]  # behind it httpx tells where to read about the number
    if status == 401:  # noqa: PLR2004 - HTTP's own number
        return errors.Unauthenticated(words)
    if status in _TEMPORARY:
        return errors.ConnectionLost(f"The gateway is not ready: {words}.")
    if status in _NOT_HERE:
        return errors.ConfigurationError(f"There is no gateway at {url}.", detail=words)
    return errors.GatewayError(f"The gateway answers with an error: {words}")
