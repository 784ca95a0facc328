"""Whatever has an id is found again by it, by those who may see it."""

import httpx
from graphql import GraphQLInterfaceType, build_schema

from gql_gateway.api.schema import sdl
from gql_gateway.core.identity import Role
from gql_gateway.store.tables import Job
from tests.store.rows import a_user
from tests.web.endpoint.running import Running

MINE = "{ me { id tokens { id } jobs(first: 1) { nodes { id } } } clusters { id } }"
NODE = "query($id: ID!) { node(id: $id) { __typename id } }"
SHARED = {"Cluster"}


async def test_every_node_is_found_by_its_owner_and_by_nobody_else(
    client: httpx.AsyncClient, gateway: Running, job: Job
) -> None:
    data = (await client.post(gateway.endpoint, json={"query": MINE})).json()["data"]
    ids = {
        "User": data["me"]["id"],
        "Token": data["me"]["tokens"][0]["id"],
        "Job": data["me"]["jobs"]["nodes"][0]["id"],
        "Cluster": data["clusters"][0]["id"],
    }
    assert ids["Job"] == f"job_{job.id}"
    schema = build_schema(sdl())
    node = schema.type_map["Node"]
    assert isinstance(node, GraphQLInterfaceType)
    assert {one.name for one in schema.get_possible_types(node)} == ids.keys(), "all that there are"
    await a_user(gateway.database, "bob@example.org")
    _, bobs = await gateway.tokens.create("bob@example.org", "Bob", Role.USER, None)
    for kind, global_id in ids.items():
        asked = {"query": NODE, "variables": {"id": global_id}}
        found = (await client.post(gateway.endpoint, json=asked)).json()
        assert found == {"data": {"node": {"__typename": kind, "id": global_id}}}
        other = await client.post(gateway.endpoint, json=asked, headers={"Authorization": f"Bearer {bobs}"})
        assert other.json() == (found if kind in SHARED else {"data": {"node": None}})
