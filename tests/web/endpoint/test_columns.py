"""Of a job's row only what an operation may need is read: each field knows of which columns it is made."""

from typing import Any

import httpx
import pytest
from graphql import GraphQLObjectType, build_schema, get_named_type, is_leaf_type

from gql_gateway.api.schema import sdl
from gql_gateway.core.states import JobState
from gql_gateway.store.tables import Job
from tests.store.rows import a_job
from tests.web.endpoint.running import SPEC, Running

pytestmark = pytest.mark.anyio

JOB = build_schema(sdl()).type_map["Job"]
assert isinstance(JOB, GraphQLObjectType)
FIELDS = {
    name: f"{name}{'' if is_leaf_type(get_named_type(field.type)) else ' { __typename }'}"
    for name, field in JOB.fields.items()
    if name != "file"  # which needs an argument, and the same columns as `files`
}


@pytest.fixture
async def run(gateway: Running) -> Job:
    values = {"state": JobState.COMPLETED, "slurm_job_id": "7", "exit_code": 0}
    return await a_job(gateway.database, gateway.ada, spec=SPEC, started_at=gateway.ada.created_at, **values)


async def asked(client: httpx.AsyncClient, gateway: Running, query: str) -> dict[str, Any]:
    answer: dict[str, Any] = (await client.post(gateway.endpoint, json={"query": query})).json()
    return answer


@pytest.mark.parametrize("field", FIELDS)
async def test_each_field_can_be_asked_alone(client: httpx.AsyncClient, gateway: Running, run: Job, field: str) -> None:
    selected = FIELDS[field]
    whole = await asked(client, gateway, f'{{ job(id: "job_{run.id}") {{ {" ".join(FIELDS.values())} }} }}')
    for query in (
        f'{{ job(id: "job_{run.id}") {{ {selected} }} }}',
        f'{{ job: node(id: "job_{run.id}") {{ ... on Job {{ ...F }} }} }} fragment F on Job {{ {selected} }}',
        f"{{ jobs(first: 1) {{ nodes {{ {selected} }} }} }}",
        f"{{ jobs(last: 9, orderBy: {{field: NAME}}) {{ totalCount edges {{ node {{ {selected} }} }} }} }}",
        f"{{ jobs(first: 1) {{ nodes {{ events {{ nodes {{ job {{ {selected} }} }} }} }} }} }}",
    ):
        answer = await asked(client, gateway, query)
        codes = {error["extensions"]["code"] for error in answer.get("errors", ())}
        assert codes <= {"CLUSTER_UNAVAILABLE"}, (query, answer["errors"])
        if not codes and "job" in answer["data"]:
            assert answer["data"]["job"][field] == whole["data"]["job"][field]
