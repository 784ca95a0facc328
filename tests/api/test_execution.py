"""Plain fields are executed faster, and answered for as graphql-core does: the same data, the same errors."""

import asyncio
import enum
from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import strawberry
from graphql import FieldNode
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from gql_gateway.api.execution import PlainExecutor
from gql_gateway.api.fields import read


@strawberry.enum
class Colour(enum.Enum):
    RED = "red"


@strawberry.interface
class Named:
    name: str


@strawberry.type
class Thing(Named):
    key: strawberry.ID
    size: int
    ratio: float
    fine: bool
    colour: Colour
    at: datetime
    maybe: int | None
    words: list[str]
    row: strawberry.Private[SimpleNamespace]
    seen: str = read("row.seen", "Seen.")
    both: int | None = read(("row.seen", "size"), "Both.", lambda seen, size: len(seen) + size)
    items: list[int] = read("row.items", "Items.")

    @strawberry.field
    def computed(self, times: int = 2) -> int:
        return self.size * times

    @strawberry.field
    async def later(self) -> str:
        await asyncio.sleep(0)
        return f"later {self.name}"

    @strawberry.field
    async def inner(self) -> "Thing":
        return thing()

    @strawberry.field
    def broken(self) -> str | None:
        raise ValueError("broken")


def thing(**values: Any) -> Thing:
    good = {
        "name": "a",
        "key": "1",
        "size": 2,
        "ratio": 0.5,
        "fine": True,
        "colour": Colour.RED,
        "at": datetime(2026, 1, 1, tzinfo=UTC),
        "maybe": None,
        "words": ["x", "y"],
        "row": SimpleNamespace(seen="s", items=[1]),
    }
    return Thing(**{**good, **values})


async def promise() -> int:
    return 7


THINGS = {
    "good": {},
    "whole float": {"size": 2.0, "ratio": 3},
    "null where none may be": {"name": None},
    "two that are wrong": {"size": "many", "colour": "blue"},
    "too large": {"size": 2**40},
    "text of a number": {"name": 5, "key": 6, "fine": 1},
    "no number": {"ratio": float("nan")},
    "an exception": {"maybe": ValueError("inside")},
    "an exception where none may be": {"fine": ValueError("inside")},
    "wrong where null may be": {"maybe": "seven"},
    "wrong time": {"at": "yesterday"},
    "nothing to read": {"row": SimpleNamespace()},
    "what is read does not fit": {"size": "many", "row": SimpleNamespace(seen=7, items=None)},
    "whole numbers that are true": {"size": True, "maybe": False},
}


@strawberry.type
class Query:
    @strawberry.field
    def things(self, kind: str, number: int = 3) -> list[Thing | None]:
        return [thing(), *(thing(**THINGS[kind]) for _ in range(number))]

    @strawberry.field
    def one(self, kind: str) -> Thing | None:
        return thing(**THINGS[kind])

    @strawberry.field
    def strict(self, kind: str) -> list[Thing]:
        return [thing(), thing(**THINGS[kind])]

    @strawberry.field
    def others(self) -> list[Named]:
        return [thing(), thing()]

    @strawberry.field
    def promised(self) -> Thing | None:
        return thing(maybe=promise(), size=promise())

    @strawberry.field
    def named(self) -> Named:
        return thing()


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def counted(self) -> AsyncGenerator[Thing, None]:
        for size in range(3):
            yield thing(size=size)


class Telling(PlainExecutor):
    """Tells which fields went the normal way."""

    told: ClassVar[list[str]] = []

    def build_resolve_info(self, field_def: Any, field_nodes: list[FieldNode], parent_type: Any, path: Any) -> Any:
        self.told.append(field_nodes[0].name.value)
        return super().build_resolve_info(field_def, field_nodes, parent_type, path)


PLAIN, USUAL = (
    strawberry.Schema(Query, subscription=Subscription, execution_context_class=executor)
    for executor in (Telling, StrawberryGraphQLCoreExecutionContext)
)
SELECTIONS = (
    "name size",
    "size seen n: seen __typename both",
    "seen items both",
    "__typename name key size ratio fine colour at maybe",
    "words name later size computed again: computed(times: 3) n: name",
    "maybe broken name inner { size name inner { __typename at } } key",
    "size @skip(if: true) name @include(if: true) ... on Named { name } ...r ...r | fragment r on Thing { at key }",
)


async def answers(query: str) -> list[Any]:
    results = [await schema.execute(query) for schema in (PLAIN, USUAL)]
    return [(result.data, [error.formatted for error in result.errors or ()]) for result in results]


@pytest.mark.parametrize("kind", THINGS)
@pytest.mark.parametrize("selection", SELECTIONS)
async def test_the_same_data_and_the_same_errors(kind: str, selection: str) -> None:
    selected, _, fragment = selection.partition(" | ")
    for field in ("one", "things", "strict"):
        quick, usual = await answers(
            f'{{ {field}(kind: "{kind}") {{ {selected} }} good: named {{ name }} }} {fragment}'
        )
        assert quick == usual
        assert str(quick) == str(usual), "also the order of the fields"


async def test_plain_fields_are_not_executed_one_by_one() -> None:
    Telling.told.clear()
    await PLAIN.execute('{ things(kind: "good") { name at words } }')
    assert Telling.told == ["things", *(4 * ["words"])]
    Telling.told.clear()
    await PLAIN.execute('{ strict(kind: "good") { name seen at } }')
    assert Telling.told == ["strict"]


async def test_promises_are_kept() -> None:
    quick, usual = await answers(
        "{ promised { name maybe size } named { name __typename ... on Thing { size } } others { name __typename } }"
    )
    assert quick == usual
    assert quick[0]["promised"] == {"name": "a", "maybe": 7, "size": 7}


async def test_each_event_is_executed_alike() -> None:
    async def events(schema: strawberry.Schema) -> list[Any]:
        found: Any = await schema.subscribe("subscription { counted { size name later } }")
        return [result.data async for result in found]

    assert await events(PLAIN) == await events(USUAL)
    assert len(await events(PLAIN)) == 3
