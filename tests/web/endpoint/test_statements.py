"""How often the store is asked for one answer: the same number of times, however long its lists are."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from graphql import FragmentDefinitionNode, OperationDefinitionNode, OperationType, parse, print_ast
from sqlalchemy import event

from gql_gateway.core.identity import Role
from gql_gateway.core.states import JobState
from gql_gateway.store import events, jobs, migrations, users
from gql_gateway.store.database import Database
from tests.store.postgresql import running as postgresql
from tests.store.rows import NOW, unsaved_job
from tests.web.endpoint.running import SPEC, Running, running

DAY = parse((Path(__file__).parents[2] / "conformance/operations/day.graphql").read_text())
FRAGMENTS = {node.name.value: print_ast(node) for node in DAY.definitions if isinstance(node, FragmentDefinitionNode)}
EXAMPLES = {
    node.name.value: print_ast(node)
    for node in DAY.definitions
    if isinstance(node, OperationDefinitionNode) and node.operation is OperationType.QUERY and node.name
}
JOB = "id name script image state isFinal labels { key } usage { nodes } folder cluster { name available } archiveUrl"
EVENTS = "events(first: 2) { nodes { cursor state job { id name } } pageInfo { endCursor } edges { cursor } }"
JOBS = "totalCount countByState { state count } pageInfo { endCursor } edges { cursor }"
DEEPEST = {
    "jobs of jobs' owners": f"""jobs(first: $long) {{ {JOBS} nodes {{ {JOB} {EVENTS} owner {{
        id tokens {{ id }}
        jobs(first: $short) {{ {JOBS} nodes {{ {JOB} {EVENTS} owner {{ email tokens {{ name }} }} }} }}
    }} }} }}""",
    "others of them by name": f"""jobs(last: $long) {{ nodes {{ owner {{
        jobs(last: $short, orderBy: {{field: NAME, direction: ASC}}, filter: {{states: QUEUED}}) {{
            {JOBS} nodes {{ name events(first: 1, after: "1") {{ nodes {{ cursor }} }} }}
        }}
    }} }} }}""",
    "one's own": f"""me {{ jobs(first: $long) {{ {JOBS} nodes {{ {JOB} {EVENTS} owner {{
        jobs(first: $short) {{ {JOBS} }}
    }} }} }} }}""",
}
PLACES = 18
"""Places in each of these where the store has to be asked: pages, counts, events, owners, tokens, clusters, twice."""
LENGTHS = ((1, 1), (10, 10), (100, 3))


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A migrated, empty store."""
    with ExitStack() as stack:
        if request.param == "sqlite":
            url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('store')}/gateway.db"
        else:
            url = stack.enter_context(postgresql()).url("postgres")
        migrations.upgrade(url)
        yield url


@pytest.fixture(scope="module")
async def full(url: str) -> AsyncIterator[Running]:
    """A hundred jobs of Ada's, and among them one of each of fifty others, each with events."""
    async with running(url) as gateway:
        async with gateway.database.transaction() as session:
            for number in range(100):
                owners = [gateway.ada]
                if number % 2:
                    owners.append(await users.create(session, f"user{number}@example.org", "Other"))
                for owner in owners:
                    job = await jobs.add(session, unsaved_job(owner, name=f"n{number % 7}", spec=SPEC))
                    await events.append(session, job, previous=None, at=NOW)
                    for state in (JobState.LAUNCHING, JobState.QUEUED):
                        await jobs.advance(session, job, state, at=NOW)
        yield gateway


@contextmanager
def counted(database: Database) -> Iterator[list[str]]:
    """The statements that the store is asked meanwhile, on whatever connection."""
    statements: list[str] = []

    def count(statement: str) -> None:
        if statement.startswith("SELECT"):
            statements.append(statement)

    def hear(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        count(statement)

    engine = database._reader.sync_engine
    event.listen(engine, "before_cursor_execute", hear)
    if database._in_place:
        database._in_place._driver.set_trace_callback(count)
    yield statements
    if database._in_place:
        database._in_place._driver.set_trace_callback(None)
    event.remove(engine, "before_cursor_execute", hear)


async def asked(gateway: Running, role: Role, query: str, **variables: Any) -> tuple[Any, list[str]]:
    """The data that is answered, and the statements that it took."""
    _, token = await gateway.tokens.create(gateway.ada.email, "Ada", role, None)
    request = {"query": query, "variables": variables}
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        for _ in range(2):  # the first notes that the token was used, and from the second on it is known whose it is
            await client.post(gateway.endpoint, json={"query": "{ me { id } }"})
        with counted(gateway.database) as statements:
            answer = (await client.post(gateway.endpoint, json=request)).json()
    codes = {error["extensions"]["code"] for error in answer.get("errors", ())}
    assert codes <= {"CLUSTER_UNAVAILABLE"}, answer["errors"]
    return answer["data"], statements


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("name", DEEPEST)
async def test_the_deepest_lists(full: Running, role: Role, name: str) -> None:
    """An administrator's jobs have many owners, a user's one.

    What is asked for at one place is fetched together whatever its number. Two places share a question now and then,
    when they get there in the same moment: so there is a most, and no exact number.
    """
    for long, short in LENGTHS:
        query = f"query($long: Int!, $short: Int!) {{ {DEEPEST[name]} }}"
        data, statements = await asked(full, role, query, long=long, short=short)
        assert len((data.get("jobs") or data["me"]["jobs"])["nodes"]) == long
        assert len(statements) <= PLACES, statements


async def test_what_is_fetched_together_is_handed_out_to_whom_it_belongs(full: Running) -> None:
    query = """{ jobs(first: 100) { nodes { id name events { nodes { job { id } } } owner { id
        jobs(first: 2) { totalCount countByState { count } nodes { owner { id } } } } } } }"""
    data, _ = await asked(full, Role.ADMIN, query)
    for job in data["jobs"]["nodes"]:
        owner = job["owner"]
        assert [event["job"]["id"] for event in job["events"]["nodes"]] == [job["id"]] * 3
        assert {other["owner"]["id"] for other in owner["jobs"]["nodes"]} == {owner["id"]}
        assert owner["jobs"]["totalCount"] == (100 if owner["id"] == f"user_{full.ada.id}" else 1)
        assert owner["jobs"]["countByState"] == [{"count": owner["jobs"]["totalCount"]}]


@pytest.mark.parametrize("name", EXAMPLES)
async def test_the_example_operations(full: Running, name: str) -> None:
    """Their lists have lengths of their own: each is asked for 1, 10 and 100 entries."""
    data, _ = await asked(full, Role.USER, "{ jobs(first: 1) { nodes { id } } }")
    for number in (1, 10, 100):
        query = re.sub(r"first: \d+", f"first: {number}", EXAMPLES[name])
        query += "".join(text for fragment, text in FRAGMENTS.items() if f"...{fragment}" in query)
        variables = {"id": data["jobs"]["nodes"][0]["id"]} if "$id" in query else {}
        _, statements = await asked(full, Role.USER, query, **variables)
        assert len(statements) <= PLACES / 2, statements


def test_the_examples_have_queries() -> None:
    assert {"Overview", "Details", "Anything"} <= EXAMPLES.keys()
