"""Tenants: every route and every field of the schema, as the attacker on the victim's objects.

The routes are those of the application's own table (doors.py), the operations are made from the gateway's own schema
(operations.py), so a new one is attacked as soon as it is there, or fails as one without a rule. What takes an id is
asked for the victim's and for one that does not exist (twins.py): the answers must be the same, word for word, and take
about as long. Everything that takes none is asked for as a whole, and must hold nothing of the victim's.
"""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from graphql import GraphQLField, GraphQLSchema
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from gql_gateway.core.ids import global_id, new_id
from tests.attack import doors
from tests.attack.operations import operation, schema_of, takes_file, takes_id
from tests.attack.tally import Tally
from tests.attack.twins import compare, leaked, words
from tests.attack.world import VICTIM, World
from tests.client import Client

OPEN = {"heartbeat", "clusters", "cluster", "clusterUpdated"}
"""Root fields that say the same to everybody."""
MINE = {"createUser", "createJob", "createToken", "me", "jobs"}
"""Root fields that take nobody's id."""
CREATED = {"createJob", "createToken"}
"""Those of them that make something: what a caller may make is no other tenant's affair."""


def attack(world: World, tally: Tally) -> None:
    """As somebody who never wrote the victim's name or ids down: what holds them came from the gateway."""
    with Client.of(world.gateway, "eve@example.org") as stranger:
        stranger.create_user()
        stranger.create_job()
        strangers = replace(world, attacker=stranger)
        doors.walk(strangers, tally)
        walk(strangers, tally)
        searches(strangers, tally)


def walk(world: World, tally: Tally) -> None:
    """Every field of the schema, over every transport that takes it."""
    schema = schema_of(world.attacker)
    roots = {"query": schema.query_type, "mutation": schema.mutation_type, "subscription": schema.subscription_type}
    theirs = victims_ids(world)
    for kind, root in roots.items():
        assert root
        for name, field in root.fields.items():
            if any(takes_id(argument.type) for argument in field.args.values()):
                for target in theirs:
                    by_id(world, tally, schema, (kind, name, field), target)
            elif name not in OPEN | MINE:
                tally.hold("schema", held=False, seen=f"{name} is a new field without a rule")
            elif name not in CREATED:
                text, variables = operation(kind, name, field, "", schema)
                said = post(world.attacker, kind, text, variables)
                tally.hold("own answers", "LIMIT" not in said and not leaked(world, said), f"{name}: {said}")
    victims = world.victim.job(world.victims_job["id"], "files { path }")
    tally.hold("victim's job", victims["state"] == "CREATED" and len(victims["files"]) == 4, victims)


def by_id(world: World, tally: Tally, schema: GraphQLSchema, root: tuple[str, str, GraphQLField], target: str) -> None:
    """One field that takes an id, by POST or as a stream, by GET and over a WebSocket."""
    kind, name, field = root

    def through(send: Callable[[Client, str, str, Any], str]) -> Callable[[str], str]:
        return lambda one: send(world.attacker, kind, *operation(kind, name, field, one, schema))

    compare(world, tally, f"{name} by POST", through(post), target)
    if kind == "query":
        compare(world, tally, f"{name} by GET", through(get), target)
    if not takes_file(field):
        compare(world, tally, f"{name} over a WebSocket", through(over_socket), target, timed=False)


def post(client: Client, kind: str, text: str, variables: Any) -> str:
    """The answer to a POST, of a subscription its stream, without what differs each time."""
    body = {"query": text, "variables": variables}
    if "Upload!" in text or "UploadInput" in text:
        parts = {
            "operations": (None, json.dumps(body)),
            "map": (None, '{"0": ["variables.input.file"]}'),
            "0": ("x", b"forged"),
        }
        return words(client.http.post("/graphql", files=parts, headers={"Apollo-Require-Preflight": "1"}))
    headers = {"Accept": "text/event-stream"} if kind == "subscription" else {}
    return words(client.http.post("/graphql", json=body, headers=headers))


def get(client: Client, _: str, text: str, variables: Any) -> str:
    """The answer to a GET."""
    return words(client.http.get("/graphql", params={"query": text, "variables": json.dumps(variables)}))


def over_socket(client: Client, _: str, text: str, variables: Any) -> str:
    """All that a WebSocket says to one operation, up to its end."""
    said = []
    url = client.url.replace("http", "ws", 1) + "/graphql"
    with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")], proxy=None) as socket:
        hello = {"type": "connection_init", "payload": {"Authorization": f"Bearer {client.token}"}}
        socket.send(json.dumps(hello))
        assert json.loads(socket.recv(10))["type"] == "connection_ack"
        payload = {"query": text, "variables": variables}
        socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
        while not said or said[-1]["type"] == "next":
            said.append(json.loads(socket.recv(10)))
    return re.sub(r'"requestId": "[0-9a-f-]+"', '"requestId": "REQUEST"', json.dumps(said))


def victims_ids(world: World) -> list[str]:
    """An object of each kind of the victim's."""
    me = world.victim.ask("{ me { id } }")["me"]["id"]
    query = 'mutation { createToken(input: {name: "x"}) { token { id } } }'
    answer = world.victim.post(query).json()
    token = answer["data"]["createToken"]["token"]["id"] if answer.get("data") else global_id("token", new_id())
    return [world.victims_job["id"], me, token]


def searches(world: World, tally: Tally) -> None:
    """Cursors, searches and keys of the victim's."""
    victims = world.victims_job["id"]
    cursor = world.victim.ask("{ jobs { edges { cursor } } }")["jobs"]["edges"][0]["cursor"]
    for arguments in (f'after: "{cursor}"', f'before: "{cursor}", last: 5', 'search: "%"', 'search: "test"',
                      f'search: "{victims}"', "states: [CREATED]"):  # fmt: skip
        answer = world.attacker.post(f"{{ jobs({arguments}) {{ totalCount nodes {{ id owner {{ email }} }} }} }}")
        tally.hold("lists", not leaked(world, answer.text), (arguments, answer.text))
    world.victim.create_job(idempotencyKey="shared-key")
    job = world.attacker.create_job(idempotencyKey="shared-key")
    tally.hold("idempotency key", VICTIM.split("@")[0] not in job["folder"], job)
    events = world.attacker.http.stream(
        "POST", "/graphql", json={"query": 'subscription { jobStateChanged(after: "0") { job { id } } }'},
        headers={"Accept": "text/event-stream"},
    )  # fmt: skip
    with events as answer:
        world.victim.create_job()
        mine = world.attacker.create_job()
        seen = ""
        for line in answer.iter_lines():
            seen += line
            if mine["id"] in line:
                break
    tally.hold("events", "victim" not in seen and victims not in seen, seen)
