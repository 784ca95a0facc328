"""Values: every argument of the schema, given what no client would send.

Whatever comes, the answer is an answer: in time, never INTERNAL, and never a status that says that the gateway broke.
"""

import copy
import itertools
import time
from collections.abc import Iterator
from typing import Any

import httpx
from graphql import (
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLNamedType,
    GraphQLSchema,
    get_named_type,
    is_list_type,
    is_non_null_type,
)

from tests.attack.operations import document, schema_of, value
from tests.attack.tally import Tally
from tests.attack.world import World
from tests.client import Client

LONG = 60_000
TEXTS = [
    "", "\0", "a\0b", "x" * LONG, "%" * LONG, "_%" * 400, "'", '"', "\\", "../../etc/passwd", "/", ".", "..", "\u202e",
    "\ud7ff\U0010ffff", "-1", "9" * 30, "9" * 5000, "1e400", "null", "${x}", "job_", "job_" + "f" * 32, "٣" * 32,
]  # fmt: skip
NUMBERS = [0, -1, 1, 2**31 - 1, 2**31, 2**53 - 1, 2**53, 2**63 - 1, 1e30, 1e308, 1.5, "1", True]
TIMES = [
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0000-00-00", "2020-01-01", "99999-01-01T00:00:00Z",
    "2020-01-01T00:00:00+99:99", "2020-01-01T00:00:00.123456789Z", *TEXTS[:5],
]  # fmt: skip
WILD: dict[str, list[Any]] = {"DateTime": TIMES, "Int": NUMBERS, "ByteCount": NUMBERS, "Boolean": [True, "x", 0]}
LITERALS = ["9" * 5000, "-" + "9" * 5000, "1e999999", "9" * 25, '"\\uD800"', '"\\u0000"', '"""' + "x" * LONG + '"""']
MANY = 5000
Path = tuple[str, ...]


def attack(world: World, tally: Tally) -> None:
    """Each value at each place, the others as they should be."""
    schema = schema_of(world.attacker)
    job = world.attacker.create_job()["id"]
    tries = [one for field in fields(schema) for one in wild(*field, schema, job)]
    for kind, text, variables in tries[:: world.every]:
        began = time.perf_counter()
        said = first_answer(world.attacker, kind, text, variables)
        spent = time.perf_counter() - began
        tally.hold("an answer", "INTERNAL" not in said and said[:1] in "24", (text[:200], str(variables)[:200], said))
        tally.hold("in time", spent < 10, (spent, text[:200], str(variables)[:200]))
    for literal in LITERALS:
        said = world.attacker.post(f"{{ jobs(first: {literal}, search: {literal}) {{ totalCount }} }}").text
        tally.hold("a literal", "INTERNAL" not in said, (literal[:20], said))


def fields(schema: GraphQLSchema) -> Iterator[tuple[str, str, GraphQLField]]:
    """Every root field."""
    roots = {"query": schema.query_type, "mutation": schema.mutation_type, "subscription": schema.subscription_type}
    for kind, root in roots.items():
        assert root
        for name, field in root.fields.items():
            yield kind, name, field


def wild(kind: str, name: str, field: GraphQLField, schema: GraphQLSchema, job: str) -> Iterator[tuple[str, str, Any]]:
    """Documents and variables, one for each value at each place of a field's arguments."""
    for argument, given in field.args.items():
        for path, leaf, listed in leaves(given.type, (argument,)):
            used = {key: one for key, one in field.args.items() if key == argument or is_non_null_type(one.type)}
            text = document(kind, name, field, used, schema)
            good = {key: value(one.type, key, job) for key, one in used.items() if is_non_null_type(one.type)}
            for each in many(leaf, job) if listed else [*WILD.get(leaf.name, TEXTS), None, {}, []]:
                yield kind, text, put(good, path, each)


def many(leaf: GraphQLNamedType, job: str) -> Iterator[list[Any]]:
    """Lists: far too long, and with one wild value."""
    if isinstance(leaf, GraphQLInputObjectType):
        yield [value(leaf, "", job)] * MANY
        return
    one_kind = WILD.get(leaf.name, TEXTS)
    yield [one_kind[0]] * MANY
    yield from ([one] for one in one_kind)


def leaves(kind: Any, path: Path) -> Iterator[tuple[Path, GraphQLNamedType, bool]]:
    """Every place for a value inside an argument, through lists and objects; whether the place is a whole list."""
    while is_non_null_type(kind):
        kind = kind.of_type
    inner = get_named_type(kind)
    if isinstance(inner, GraphQLInputObjectType):
        if is_list_type(kind):
            yield path, inner, True
        for name, one in inner.fields.items():
            below = (*path, "0", name) if is_list_type(kind) else (*path, name)
            yield from leaves(one.type, below)
    elif inner.name != "Upload":
        yield path, inner, is_list_type(kind)


def put(good: Any, path: Path, each: object) -> Any:
    """The variables with one value set at a place, objects and lists made on the way."""
    found = copy.deepcopy(good)
    at = found
    for part, following in itertools.pairwise(path):
        if part == "0":
            at = at[0]
            continue
        empty: Any = [{}] if following == "0" else {}
        if not at.get(part):
            at[part] = empty
        at = at[part]
    at[path[-1]] = each
    return found


def first_answer(client: Client, kind: str, text: str, variables: Any) -> str:
    """Status and body; of a stream what comes first, if anything does soon: one that waits for news has begun well."""
    body = {"query": text, "variables": variables}
    if kind != "subscription":
        answer = client.http.post("/graphql", json=body)
        return f"{answer.status_code} {answer.text}"
    headers = {"Accept": "text/event-stream"}
    try:
        with client.http.stream("POST", "/graphql", json=body, headers=headers, timeout=2) as stream:
            said = next((line for line in stream.iter_lines() if line.startswith("data:")), "")
            return f"{stream.status_code} {said}"
    except httpx.ReadTimeout:
        return "200 and no news"
