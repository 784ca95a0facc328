"""Tenants: every field of the schema, as the attacker on the victim's objects.

The operations are made from the gateway's own schema, so a new field is attacked as soon as it is there. Each that
takes an id is asked for the victim's and for one that does not exist: the answers must be the same, word for word, and
take about as long. Everything that takes none is asked for as a whole, and must hold nothing of the victim's.
"""

import json
import statistics
import time
from dataclasses import replace
from typing import Any

from graphql import (
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    build_client_schema,
    get_introspection_query,
    get_named_type,
    is_abstract_type,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
)

from gql_gateway.core.ids import global_id, new_id
from tests.attack.tally import Tally
from tests.attack.world import VICTIM, World
from tests.client import Client

OPEN = {"heartbeat", "clusters", "cluster", "clusterUpdated"}
"""Root fields that say the same to everybody."""
MINE = {"createUser", "createJob", "createToken", "me", "jobs"}
"""Root fields that take nobody's id."""
CREATED = {"createJob", "createToken"}
"""Those of them that make something: what a caller may make is no other tenant's affair."""
SAMPLES: dict[str, object] = {
    "path": "x", "size": 3, "name": "x", "first": 5, "image": "/opt/img/busybox.sif", "search": "", "offset": 0,
    "overwrite": True,
}  # fmt: skip
DEPTH = 5
SLOWER = 0.02
"""Seconds by which the answers for what is not yours and for what is not there may differ, at the median."""


def schema_of(client: Client) -> GraphQLSchema:
    """The schema as the gateway tells it."""
    return build_client_schema(client.ask(get_introspection_query()))


def selection(kind: GraphQLNamedType, depth: int, schema: GraphQLSchema) -> str:
    """Every field of a type that needs no argument, to some depth."""
    if is_leaf_type(kind):
        return ""
    if is_abstract_type(kind):
        kinds = schema.get_possible_types(kind)  # type: ignore[arg-type]
        return "{ " + " ".join(f"... on {one.name} {selection(one, depth, schema)}" for one in kinds) + " __typename }"
    assert isinstance(kind, GraphQLObjectType)
    parts = [asked(name, field, depth, schema) for name, field in kind.fields.items()]
    return "{ " + " ".join([*parts, "__typename"]) + " }"


def asked(name: str, field: GraphQLField, depth: int, schema: GraphQLSchema) -> str:
    """One field with all that is in it; empty where it goes too deep."""
    inner = get_named_type(field.type)
    if any(is_non_null_type(argument.type) for argument in field.args.values()):
        given = ", ".join(f"{key}: {json.dumps(SAMPLES[key])}" for key in field.args)
        name = f"{name}({given})"
    elif "first" in field.args:
        name = f"{name}(first: 3)"
    if is_leaf_type(inner):
        return name
    return f"{name} {selection(inner, depth - 1, schema)}" if depth else ""


def value(kind: Any, name: str, target: str) -> object:
    """A value for an argument: ids are the target's, the rest samples."""
    if is_non_null_type(kind) or is_list_type(kind):
        return value(kind.of_type, name, target) if is_non_null_type(kind) else [value(kind.of_type, name, target)]
    if isinstance(kind, GraphQLInputObjectType):
        needed = {key: one for key, one in kind.fields.items() if is_non_null_type(one.type) or takes_id(one.type)}
        return {key: value(one.type, key, target) for key, one in needed.items()}
    if kind.name == "ID":
        return target
    if kind.name == "Upload":
        return None
    return SAMPLES[name]


def takes_id(kind: Any) -> bool:
    """Whether there is an id in it."""
    inner = get_named_type(kind)
    if isinstance(inner, GraphQLInputObjectType):
        return any(takes_id(field.type) for field in inner.fields.values())
    return bool(inner.name == "ID")


def operation(kind: str, name: str, field: GraphQLField, target: str, schema: GraphQLSchema) -> tuple[str, Any]:
    """A document and its variables."""
    used = {key: one for key, one in field.args.items() if is_non_null_type(one.type) or takes_id(one.type)}
    head = ", ".join(f"${key}: {one.type}" for key, one in used.items())
    given = ", ".join(f"{key}: ${key}" for key in used)
    inside = selection(get_named_type(field.type), 1 if kind == "mutation" else DEPTH, schema)
    text = f"{kind}{f'({head})' if head else ''} {{ {name}{f'({given})' if given else ''} {inside} }}"
    return text, {key: value(one.type, key, target) for key, one in used.items()}


def send(client: Client, kind: str, text: str, variables: Any) -> str:
    """The answer as text, without what differs each time."""
    body = {"query": text, "variables": variables}
    if "Upload!" in text or "UploadInput" in text:
        parts = {
            "operations": (None, json.dumps(body)),
            "map": (None, '{"0": ["variables.input.file"]}'),
            "0": ("x", b"forged"),
        }
        answer = client.http.post("/graphql", files=parts, headers={"Apollo-Require-Preflight": "1"})
    elif kind == "subscription":
        answer = client.http.post("/graphql", json=body, headers={"Accept": "text/event-stream"})
    else:
        answer = client.http.post("/graphql", json=body)
    return f"{answer.status_code} {answer.text.replace(answer.headers['x-request-id'], 'REQUEST')}"


def attack(world: World, tally: Tally) -> None:
    """As somebody who never wrote the victim's name or ids down: what holds them came from the gateway."""
    with Client.of(world.gateway, "eve@example.org") as stranger:
        stranger.create_user()
        stranger.create_job()
        walk(replace(world, attacker=stranger), tally)


def walk(world: World, tally: Tally) -> None:
    """Walk the schema, then lists, searches and streams."""
    schema = schema_of(world.attacker)
    roots = {"query": schema.query_type, "mutation": schema.mutation_type, "subscription": schema.subscription_type}
    theirs = victims_ids(world)
    for kind, root in roots.items():
        assert root
        for name, field in root.fields.items():
            if any(takes_id(argument.type) for argument in field.args.values()):
                for target in theirs:
                    compare(world, tally, schema, (kind, name, field), target)
            elif name not in OPEN | MINE:
                tally.hold("schema", held=False, seen=f"{name} is a new field without a rule")
            elif name not in CREATED:
                text, variables = operation(kind, name, field, "", schema)
                said = send(world.attacker, kind, text, variables)
                tally.hold("own answers", "LIMIT" not in said and not leaked(world, said), f"{name}: {said}")
    victims = world.victim.job(world.victims_job["id"], "files { path }")
    tally.hold("victim's job", victims["state"] == "CREATED" and len(victims["files"]) == 4, victims)
    timing(world, tally)
    searches(world, tally)


def victims_ids(world: World) -> list[str]:
    """An object of each kind of the victim's."""
    me = world.victim.ask("{ me { id } }")["me"]["id"]
    query = 'mutation { createToken(input: {name: "x"}) { token { id } } }'
    answer = world.victim.post(query).json()
    token = answer["data"]["createToken"]["token"]["id"] if answer.get("data") else global_id("token", new_id())
    return [world.victims_job["id"], me, token]


def leaked(world: World, said: str) -> bool:
    """Whether an answer holds anything of the victim's."""
    return any(word in said for word in (world.secret, VICTIM, world.victims_job["id"].removeprefix("job_")))


def compare(
    world: World, tally: Tally, schema: GraphQLSchema, root: tuple[str, str, GraphQLField], target: str
) -> None:
    """The victim's id against one that nothing has."""
    kind, name, field = root
    nobody = global_id(target.partition("_")[0], new_id())
    said = {}
    for one in (target, nobody):
        text, variables = operation(kind, name, field, one, schema)
        said[one] = send(world.attacker, kind, text, variables).replace(one, "ID")
    held = said[target] == said[nobody] and not leaked(world, said[target].replace(target, "ID"))
    tally.hold("same words", held and "INTERNAL" not in said[target], f"{name}: {said}")


def timing(world: World, tally: Tally) -> None:
    """As long for what is not yours as for what is not there: taken in turn, so that the machine's load hits both."""
    query = "query($id: ID!) { job(id: $id) { id } }"
    spent: dict[bool, list[float]] = {True: [], False: []}
    for number in range(80):
        target = world.victims_job["id"] if number % 2 else global_id("job", new_id())
        began = time.perf_counter()
        world.attacker.ask(query, id=target)
        spent[bool(number % 2)].append(time.perf_counter() - began)
    halves = [statistics.median(times) for times in spent.values()]
    tally.count("timed", 80)
    tally.hold("similar time", abs(halves[0] - halves[1]) < SLOWER, halves)


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
