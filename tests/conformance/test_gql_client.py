"""The Python client gql: queries, uploads and refusals over HTTP, subscriptions over WebSocket."""

import io
from typing import Any

import pytest
from gql import Client as GqlClient
from gql import FileVar, GraphQLRequest, gql
from gql.transport.exceptions import TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport

from demo.gateway import GatewayProcess
from tests.client import Client

pytestmark = pytest.mark.anyio
UPLOAD = "mutation ($input: UploadInput!) { upload(input: $input) { file { path size } userErrors { code message } } }"
CHANGES = "subscription ($id: ID) { jobStateChanged(jobId: $id) { state } }"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def over_http(gateway: GatewayProcess, alice: Client) -> GqlClient:
    """A client that reads the schema first, and checks every document against it."""
    headers = {"Authorization": f"Bearer {alice.token}", "GraphQL-Require-Preflight": "1"}
    transport = HTTPXAsyncTransport(f"{gateway.url}/graphql", headers=headers)
    return GqlClient(transport=transport, fetch_schema_from_transport=True)


async def test_a_query_after_introspection(over_http: GqlClient) -> None:
    async with over_http as session:
        answer = await session.execute(gql("{ heartbeat { ok time } me { email } }"))
    assert over_http.schema is not None
    assert answer["heartbeat"]["ok"]
    assert answer["me"]["email"] == "alice@example.org"


async def test_a_refused_request_is_an_error_with_its_code(over_http: GqlClient) -> None:
    async with over_http as session:
        with pytest.raises(TransportQueryError) as raised:
            await session.execute(gql("{ jobs(first: 201) { totalCount } }"))
    errors: Any = raised.value.errors
    assert errors[0]["extensions"]["code"] == "LIMIT_EXCEEDED"


async def test_an_upload(over_http: GqlClient, alice: Client) -> None:
    job = alice.create_job()
    file = FileVar(io.BytesIO(b"from Python"), filename="in.txt")
    request = GraphQLRequest(UPLOAD, variable_values={"input": {"jobId": job["id"], "file": file}})
    async with over_http as session:
        answer = await session.execute(request, upload_files=True)
    assert answer["upload"] == {"file": {"path": "in.txt", "size": 11}, "userErrors": []}


async def test_a_subscription(gateway: GatewayProcess, alice: Client) -> None:
    job = alice.create_job()
    transport = WebsocketsTransport(
        f"{gateway.url.replace('http', 'ws', 1)}/graphql",
        init_payload={"Authorization": f"Bearer {alice.token}"},
        subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
    )
    states = []
    request = GraphQLRequest(CHANGES, variable_values={"id": job["id"]})
    async with GqlClient(transport=transport) as session:
        async for result in session.subscribe(request):
            states.append(result["jobStateChanged"]["state"])
            if len(states) == 1:
                alice.cancel(job["id"])
    assert states == ["CREATED", "CANCELLED"]
