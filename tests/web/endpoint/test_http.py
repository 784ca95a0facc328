"""The endpoint over HTTP: media types and statuses, doors, malformed requests, the explorer."""

from typing import Any

import httpx
import pytest

from gql_gateway.store.tables import Job
from gql_gateway.web.negotiation import JSON, RESPONSE, accepted, answer_type, wants_only_events
from tests.store.rows import a_job
from tests.web.endpoint.running import SPEC, Running

HEARTBEAT = "{ heartbeat { ok } }"


async def ask(client: httpx.AsyncClient, gateway: Running, query: str, **headers: str) -> httpx.Response:
    return await client.post(gateway.endpoint, json={"query": query}, headers=headers)


@pytest.mark.parametrize(
    ("accept", "answered"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("application/json", JSON),
        ("application/graphql-response+json", RESPONSE),
        ("application/graphql-response+json, application/json;q=0.9", RESPONSE),
        ("application/json, application/graphql-response+json;q=0.5", JSON),
        ("application/graphql-response+json;q=0, */*", JSON),
        ("application/graphql-response+json;q=x", JSON),
        ("text/html", JSON),
    ],
)
def test_the_newer_media_type_is_for_those_who_name_it(accept: str, answered: str) -> None:
    assert answer_type(accept) == answered


def test_who_takes_only_events() -> None:
    assert wants_only_events("text/event-stream")
    assert not wants_only_events("text/event-stream, application/json")
    assert accepted("A/B; q=0.3 , c/d;q=0") == {"a/b": 0.3}


@pytest.mark.parametrize(("accept", "status"), [(JSON, 200), (RESPONSE, 400)])
@pytest.mark.parametrize("query", ["{", "{ nothing }", "query($id: ID!) { job(id: $id) { id } }"])
async def test_what_is_not_run_has_no_data_and_a_status_that_the_client_knows(
    client: httpx.AsyncClient, gateway: Running, accept: str, status: int, query: str
) -> None:
    answer = await ask(client, gateway, query, accept=accept)
    assert answer.status_code == status
    assert answer.headers["content-type"] == f"{accept}; charset=utf-8"
    assert answer.json().keys() == {"errors"}
    (error,) = answer.json()["errors"]
    assert error["extensions"]["requestId"] == answer.headers["x-request-id"]


async def test_without_a_token_only_heartbeat_is_open(client: httpx.AsyncClient, gateway: Running) -> None:
    async with httpx.AsyncClient() as nobody:
        open_ = await ask(nobody, gateway, HEARTBEAT)
        assert (open_.status_code, open_.json()) == (200, {"data": {"heartbeat": {"ok": True}}})
        for accept in (JSON, RESPONSE, "text/event-stream"):
            closed = await ask(nobody, gateway, "{ me { id } }", accept=accept)
            assert closed.status_code == 401
            assert closed.headers["www-authenticate"] == "Bearer"
            assert closed.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    assert (await ask(client, gateway, "{ me { email } }")).json() == {"data": {"me": {"email": "ada@example.org"}}}


async def test_a_wrong_token_opens_nothing(gateway: Running) -> None:
    async with httpx.AsyncClient(headers={"Authorization": "Bearer wrong"}) as client:
        answer = await ask(client, gateway, HEARTBEAT)
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["message"] == "This token is not valid here."


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"", 400, "JSON"),
        (b"{", 400, "JSON"),
        (b"[]", 400, "one JSON object"),
        (b'[{"query": "{ heartbeat { ok } }"}]', 400, "batches"),
        (b'"x"', 400, "one JSON object"),
        (b"{}", 400, "no `query`"),
        (b'{"query": ""}', 400, "no `query`"),
        (b'{"query": 5}', 400, "no `query`"),
        (b'{"query": "{ heartbeat { ok } }", "variables": []}', 400, "`variables`"),
        (b'{"query": "{ heartbeat { ok } }", "variables": "x"}', 400, "`variables`"),
        (b'{"query": "{ heartbeat { ok } }", "operationName": 1}', 400, "`operationName`"),
        (b'{"query": "{ heartbeat { ok } }", "operationName": "Other"}', 400, "Other"),
        (b'{"query": "{ heartbeat { ok } }", "extensions": []}', 400, "`extensions`"),
        (b'{"query": "\\ud800"}', 400, "JSON"),
        (b'{"query": "{ heartbeat { ok } }", "variables": {"x": NaN}}', 400, "JSON"),
        (b"[" * 5000, 400, "JSON"),
        (b'{"query": "' + b"x" * 20_000 + b'"}', 413, "at most 10000 bytes"),
    ],
)
async def test_a_malformed_request_is_told_what_is_wrong(
    client: httpx.AsyncClient, gateway: Running, content: bytes, status: int, words: str
) -> None:
    answer = await client.post(gateway.endpoint, content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == status
    (error,) = answer.json()["errors"]
    assert words in error["message"]
    code = "LIMIT_EXCEEDED" if status == 413 else "BAD_REQUEST"
    assert error["extensions"] == {"code": code, "requestId": answer.headers["x-request-id"]}


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
async def test_other_content_types_are_not_taken(
    client: httpx.AsyncClient, gateway: Running, content_type: str
) -> None:
    answer = await client.post(gateway.endpoint, content=b"{}", headers={"Content-Type": content_type})
    assert answer.status_code == 415


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "HEAD", "OPTIONS"])
async def test_other_methods_are_told_which_there_are(client: httpx.AsyncClient, gateway: Running, method: str) -> None:
    answer = await client.request(method, gateway.endpoint)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST, PUT, DELETE")


async def test_queries_may_be_asked_by_get_and_nothing_else(client: httpx.AsyncClient, gateway: Running) -> None:
    async def get(**params: str) -> httpx.Response:
        return await client.get(gateway.endpoint, params=params)

    named = await get(query="query A { heartbeat { ok } } query B { me { id } }", operationName="A", variables="")
    assert named.json() == {"data": {"heartbeat": {"ok": True}}}
    assert (await get(query="query($id: ID!) { job(id: $id) { id } }", variables='{"id": "x"}')).json() == {
        "data": {"job": None}
    }
    assert (await get(query="mutation { createUser { user { id } } }")).status_code == 400
    assert (await get(query=HEARTBEAT, variables="{")).status_code == 400
    assert (await get(query=HEARTBEAT, variables="[]")).status_code == 400
    assert (await get()).status_code == 400


async def test_a_subscription_needs_a_stream(client: httpx.AsyncClient, gateway: Running) -> None:
    answer = await ask(client, gateway, "subscription { jobStateChanged { cursor } }")
    assert answer.status_code == 406
    assert "text/event-stream" in answer.json()["errors"][0]["message"]


async def test_a_browser_gets_the_explorer_and_needs_no_token_for_it(gateway: Running) -> None:
    html = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
    async with httpx.AsyncClient(headers=html) as browser:
        assert (await browser.get(gateway.endpoint)).text == "explorer"
        asked: Any = await browser.get(gateway.endpoint, params={"query": HEARTBEAT})
        assert asked.json() == {"data": {"heartbeat": {"ok": True}}}
    async with httpx.AsyncClient() as curl:
        assert (await curl.get(gateway.endpoint)).status_code == 400


async def test_a_cluster_that_is_away_is_a_payload_error(client: httpx.AsyncClient, gateway: Running) -> None:
    query = "mutation { createUser { user { id } userErrors { code retryable field } } }"
    payload = (await ask(client, gateway, query)).json()["data"]["createUser"]
    assert payload == {
        "user": None,
        "userErrors": [{"code": "CLUSTER_UNAVAILABLE", "retryable": True, "field": None}],
    }


async def test_files_that_cannot_be_asked_for_are_null_with_an_error_beside(
    client: httpx.AsyncClient, gateway: Running, job: Job
) -> None:
    query = f'{{ job(id: "job_{job.id}") {{ name file(path: "../x") {{ size }} files {{ path }} }} }}'
    answer = (await ask(client, gateway, query)).json()
    assert answer["data"]["job"] == {"name": "water", "file": None, "files": None}
    (error,) = answer["errors"]
    assert (error["path"], error["extensions"]["code"]) == (["job", "files"], "CLUSTER_UNAVAILABLE")


PAGE = """
totalCount countByState { state count } nodes { id } pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
"""


async def page(client: httpx.AsyncClient, gateway: Running, arguments: str) -> Any:
    answer = await ask(client, gateway, f'{{ jobs(search: "paged", {arguments}) {{ {PAGE} }} }}')
    return answer.json()["data"]["jobs"]


async def test_pages_of_jobs_forwards_and_backwards_while_jobs_are_added(
    client: httpx.AsyncClient, gateway: Running
) -> None:
    ids = [f"job_{(await a_job(gateway.database, gateway.ada, name='paged', spec=SPEC)).id}" for _ in range(3)][::-1]
    newest = await page(client, gateway, "first: 2")
    assert [node["id"] for node in newest["nodes"]] == ids[:2]
    assert (newest["totalCount"], newest["countByState"]) == (3, [{"state": "CREATED", "count": 3}])
    assert newest["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": ids[0],
        "endCursor": ids[1],
    }
    await a_job(gateway.database, gateway.ada, name="paged too", spec=SPEC)
    behind = await page(client, gateway, f'first: 2, after: "{ids[1]}"')
    assert [node["id"] for node in behind["nodes"]] == ids[2:]
    assert (behind["pageInfo"]["hasNextPage"], behind["pageInfo"]["hasPreviousPage"]) == (False, True)
    oldest = await page(client, gateway, "last: 2")
    assert [node["id"] for node in oldest["nodes"]] == ids[1:]
    empty = await page(client, gateway, f'after: "{ids[2]}"')
    assert (empty["nodes"], empty["pageInfo"]["endCursor"]) == ([], None)
    assert (await page(client, gateway, "states: []"))["nodes"] == []
