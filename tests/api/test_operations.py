"""Operations as the schema runs them: who may ask, what comes of errors, and what is remembered."""

from contextlib import nullcontext
from dataclasses import fields
from typing import Any

import pytest
import structlog
from graphql import GraphQLObjectType, GraphQLSchema, build_schema, get_introspection_query

from gql_gateway.api.context import Context, Services
from gql_gateway.api.schema import GatewaySchema, sdl
from gql_gateway.core.errors import ErrorCode, Unavailable, refuse
from gql_gateway.core.identity import Identity
from gql_gateway.store.tables import ClusterStatus

ADA = Identity("ada@example.org", "Ada")


class Users:
    """Fails as it is told."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def me(self, _identity: Identity) -> None:
        raise self.error


class Clusters:
    async def statuses(self) -> list[ClusterStatus]:
        return [ClusterStatus(name="local", available=True)]


def context(identity: Identity | None = ADA, users: Any = None) -> Context:
    nothing: dict[str, Any] = dict.fromkeys(field.name for field in fields(Services))
    services = Services(**nothing | {"users": users, "clusters": Clusters(), "subscription": nullcontext})
    return Context(services, "req-1", identity)


@pytest.fixture(scope="module")
def schema() -> GatewaySchema:
    return GatewaySchema()


async def error_of(schema: GatewaySchema, query: str, given: Context, **options: Any) -> dict[str, Any]:
    result = await schema.execute(query, context_value=given, **options)
    assert result.errors
    return dict(result.errors[0].formatted)


def root_fields(schema: GraphQLSchema) -> list[str]:
    roots = {"query": schema.query_type, "mutation": schema.mutation_type, "subscription": schema.subscription_type}
    return [f"{kind} {{ {operation(name, root)} }}" for kind, root in roots.items() if root for name in root.fields]


def operation(name: str, root: GraphQLObjectType) -> str:
    arguments = ", ".join(f"{key}: null" for key in root.fields[name].args)
    return f"{name}{f'({arguments})' if arguments else ''} {{ __typename }}"


@pytest.mark.parametrize("query", root_fields(build_schema(sdl())))
async def test_every_root_field_asks_who_it_is_but_heartbeat(schema: GatewaySchema, query: str) -> None:
    results = [result async for result in await schema.stream(query, context_value=context(None))]
    if "heartbeat" in query:
        assert results[0].data == {"heartbeat": {"__typename": "Heartbeat"}}
    else:
        (error,) = results[0].errors
        assert error.extensions == {"code": "UNAUTHENTICATED", "requestId": "req-1"}
        assert results[0].data is None


@pytest.mark.parametrize(
    "query",
    [
        "{ heartbeat { ok } me { id } }",
        "{ heartbeat: me { id } }",
        "{ ...F } fragment F on Query { heartbeat { ok } ...G } fragment G on Query { me { id } }",
        "{ ... on Query { me { id } } }",
        "{ ... { me { id } } }",
        "mutation { __typename }",
        "query A { heartbeat { ok } } mutation B { createUser { user { id } } }",
    ],
)
async def test_no_way_around_the_door(schema: GatewaySchema, query: str) -> None:
    name = "B" if "mutation B" in query else None
    error = await error_of(schema, query, context(None), operation_name=name)
    assert error["extensions"]["code"] == "UNAUTHENTICATED"


async def test_one_of_several_operations_must_be_named(schema: GatewaySchema) -> None:
    query = "query A { heartbeat { ok } } query B { heartbeat { ok } }"
    assert "several operations" in (await error_of(schema, query, context()))["message"]
    result = await schema.execute(query, context_value=context(), operation_name="B")
    assert result.data == {"heartbeat": {"ok": True}}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ me { ", "BAD_REQUEST"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("query($n: Int!) { jobs(first: $n) { totalCount } }", "BAD_REQUEST"),
        ("{ jobs(first: 201) { totalCount } }", "LIMIT_EXCEEDED"),
        ("{ jobs(first: -1) { totalCount } }", "BAD_REQUEST"),
        ('{ jobs(after: "x") { totalCount } }', "BAD_REQUEST"),
        ('{ jobs(search: "a\\u0000") { totalCount } }', "BAD_REQUEST"),
        (
            "{ " + "me { jobs { nodes { owner { jobs { nodes { owner { jobs { nodes { id } } } } } } } } }" + " }",
            "LIMIT_EXCEEDED",
        ),
        ("{ " + "__typename " * 4001 + "}", "LIMIT_EXCEEDED"),
        ("{ " + "a { " * 500 + "b" + " }" * 500 + " }", "LIMIT_EXCEEDED"),
        (f'{{ jobs(search: "{"x" * 256}") {{ totalCount }} }}', "LIMIT_EXCEEDED"),
        ("{ jobs(filter: {labels: [" + '{key: "k", value: ""}' * 33 + "]}) { totalCount } }", "LIMIT_EXCEEDED"),
        (f"{{ jobs(first: {'9' * 5000}) {{ totalCount }} }}", "GRAPHQL_VALIDATION_FAILED"),
    ],
)
async def test_what_is_wrong_with_a_request_is_told(schema: GatewaySchema, query: str, code: str) -> None:
    error = await error_of(schema, query, context())
    assert error["extensions"] == {"code": code, "requestId": "req-1"}
    assert error["message"] != "Internal error"


async def test_a_syntax_error_is_told_on_a_stream_too(schema: GatewaySchema) -> None:
    for _ in range(2):
        results = [result async for result in await schema.stream("{ me {", context_value=context())]
        assert "Syntax Error" in results[0].errors[0].message


async def test_what_nobody_meant_to_say_is_masked_and_logged(schema: GatewaySchema) -> None:
    with structlog.testing.capture_logs() as logs:
        error = await error_of(schema, "{ me { id } }", context(users=Users(RuntimeError("secret"))))
    assert error["message"] == "Internal error"
    assert error["extensions"] == {"code": "INTERNAL", "requestId": "req-1"}
    assert [entry["event"] for entry in logs] == ["unexpected error"]
    assert "secret" in repr(logs[0]["exc_info"])


async def test_faults_and_refusals_are_told_with_their_codes(schema: GatewaySchema) -> None:
    away = await error_of(schema, "{ me { id } }", context(users=Users(Unavailable("The store does not answer."))))
    assert (away["message"], away["extensions"]["code"]) == ("The store does not answer.", "UNAVAILABLE")
    refusal = refuse(ErrorCode.CLUSTER_UNAVAILABLE, "It is away.", detail="no route")
    refused = await error_of(schema, "{ me { id } }", context(users=Users(refusal)))
    assert refused["extensions"] == {
        "code": "CLUSTER_UNAVAILABLE",
        "retryable": True,
        "detail": "no route",
        "requestId": "req-1",
    }


async def test_errors_of_a_remembered_document_are_told_each_time(schema: GatewaySchema) -> None:
    first, second = [await error_of(schema, "{ nothing }", context()) for _ in range(2)]
    assert first == second


@pytest.mark.parametrize(
    "text", ["", "x", "job_", "job_1", "user_1", "planet_9", "cluster_nowhere", "_", "é" * 200, "user_\0"]
)
async def test_an_id_that_is_none_is_null(schema: GatewaySchema, text: str) -> None:
    class Nobody:
        async def many(self, ids: list[str]) -> dict[str, Any]:
            assert all(one.isprintable() for one in ids)
            return {}

    query = "query($id: ID!) { node(id: $id) { id } job(id: $id) { id } }"
    result = await schema.execute(query, {"id": text}, context(users=Nobody()))
    assert (result.data, result.errors) == ({"node": None, "job": None}, None)


async def test_a_cluster_is_found_again_by_its_id(schema: GatewaySchema) -> None:
    query = '{ node(id: "cluster_local") { id ... on Cluster { name available } } }'
    result = await schema.execute(query, context_value=context())
    assert result.data == {"node": {"id": "cluster_local", "name": "local", "available": True}}


async def test_the_introspection_of_tools_is_within_the_limits(schema: GatewaySchema) -> None:
    result = await schema.execute(get_introspection_query(), context_value=context(None))
    assert result.errors is None


async def test_introspection_can_be_closed() -> None:
    error = await error_of(GatewaySchema(introspection=False), "{ __schema { types { name } } }", context())
    assert "introspection" in error["message"]


@pytest.mark.parametrize("key", ["", "x" * 256, "\0", "a\nb"])
async def test_an_idempotency_key_that_no_index_keeps_is_refused(schema: GatewaySchema, key: str) -> None:
    query = "mutation($i: CreateJobInput!) { createJob(input: $i) { job { id } userErrors { code field } } }"
    variables = {"i": {"name": "n", "image": "docker://i", "idempotencyKey": key}}
    result = await schema.execute(query, variables, context(), operation_name=None)
    error = {"code": "INVALID_INPUT", "field": ["input", "idempotencyKey"]}
    assert result.data == {"createJob": {"job": None, "userErrors": [error]}}
