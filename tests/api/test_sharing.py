"""Events are executed once for all who ask alike; who does not, or has errors, gets an answer of their own."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from graphql import ExecutionResult, GraphQLError, parse

from gql_gateway.api import sharing
from gql_gateway.api.jobs import JobEvent
from gql_gateway.api.schema import GatewaySchema
from gql_gateway.api.sharing import Answers, SharingExecutor
from gql_gateway.core.identity import Identity, Role
from gql_gateway.core.states import JobState, Source
from gql_gateway.store.events import LoggedEvent

ADA = Identity("ada@example.org", "Ada", Role.USER, credential="token 1")
SCHEMA = GatewaySchema()
AT = datetime(2026, 1, 1, tzinfo=UTC)


class Work:
    """Executes, and counts how often; waits in between where it `waits`."""

    def __init__(self, *, waits: bool = False, fails: bool = False) -> None:
        self.times = 0
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()
        self._waits = waits
        self._fails = fails

    def __call__(self) -> ExecutionResult | Awaitable[ExecutionResult]:
        self.times += 1
        return self._later(self.times) if self._waits else self._result(self.times)

    async def _later(self, number: int) -> ExecutionResult:
        self.begun.set()
        await self.go_on.wait()
        return self._result(number)

    def _result(self, number: int) -> ExecutionResult:
        return ExecutionResult({"number": number}, [GraphQLError(f"{number}")] if self._fails else None)


def said(result: Any) -> Any:
    return orjson.loads(orjson.dumps(result.data))["number"]


def test_who_asks_the_same_about_the_same_event_gets_the_same_answer() -> None:
    answers, work, event = Answers(), Work(), object()
    assert [said(answers.once("q", event, work)) for _ in range(3)] == [1, 1, 1]
    assert said(answers.once("another question", event, work)) == 2
    assert said(answers.once("q", object(), work)) == 3


async def test_those_who_ask_meanwhile_wait_for_the_first_who_may_leave() -> None:
    answers, work, event = Answers(), Work(waits=True), object()
    first, *others = [asyncio.ensure_future(_asked(answers, event, work)) for _ in range(4)]
    await work.begun.wait()
    first.cancel()
    await asyncio.wait([first])
    work.go_on.set()
    assert [said(await other) for other in others] == [1, 1, 1]
    assert said(answers.once("q", event, work)) == 1
    assert work.times == 1


async def _asked(answers: Answers, event: object, work: Work) -> Any:
    result = answers.once("q", event, work)
    return result if isinstance(result, ExecutionResult) else await result


@pytest.mark.parametrize("waits", [False, True])
async def test_errors_are_each_ones_own(waits: bool) -> None:
    answers, work, event = Answers(), Work(waits=waits, fails=True), object()
    work.go_on.set()
    results = await asyncio.gather(*(_asked(answers, event, work) for _ in range(3)))
    assert sorted(result.errors[0].message for result in results) == ["1", "2", "3"]
    assert all(len(result.errors) == 1 for result in results)


async def test_a_failure_of_one_is_not_that_of_the_others() -> None:
    answers, event = Answers(), object()
    gate = asyncio.Event()
    times = 0

    async def once_badly() -> ExecutionResult:
        nonlocal times
        times += 1
        mine = times
        await gate.wait()
        if mine == 1:
            raise ValueError("the first")
        return ExecutionResult({"number": mine}, None)

    waiting = [asyncio.ensure_future(_awaited(answers, event, once_badly)) for _ in range(3)]
    await asyncio.sleep(0)
    gate.set()
    first, *others = await asyncio.gather(*waiting, return_exceptions=True)
    assert isinstance(first, ValueError)
    assert sorted(said(other) for other in others) == [2, 3]


async def _awaited(answers: Answers, event: object, execute: Callable[[], Awaitable[ExecutionResult]]) -> Any:
    return await answers.once("q", event, execute)  # type: ignore[misc]  # it never answers at once


def test_an_answer_is_given_for_a_second_and_then_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(sharing, "time", SimpleNamespace(monotonic=lambda: now))
    answers, work, event = Answers(), Work(), object()
    assert said(answers.once("q", event, work)) == 1
    now += sharing.SHARED_SECONDS - 0.01
    assert said(answers.once("q", event, work)) == 1
    now += 0.02
    assert said(answers.once("q", event, work)) == 2


@pytest.mark.parametrize("answers", [Answers(kept=3), Answers(kept_bytes=3 * len(b'{"number":1}'))])
def test_little_is_kept(answers: Answers) -> None:
    work, events = Work(), [object() for _ in range(5)]
    for event in (*events, *events[2:]):
        answers.once("q", event, work)
    assert work.times == 5
    answers.once("q", events[0], work)
    assert work.times == 6


# -- what is asked alike ----------------------------------------------------------------------------------------------

FILES = "job { files(path: $path) { name } }"
FOLLOWED = (
    "subscription S($id: ID, $after: String, $path: String) { jobStateChanged(jobId: $id, after: $after) { %s } }"
)


BOTH = (
    "subscription S($path: String) { ...R } "
    "fragment R on Subscription { jobStateChanged(jobId: $path) { job { files(path: $path) { name } } } }"
)


def asked(selection: str, identity: Identity = ADA, document: str = FOLLOWED, **variables: object) -> object:
    """The question that an operation asks of each event."""
    text = document % selection if "%s" in document else document
    executor = built(text, identity, variables)
    executor.build_per_event_executor(event())
    return executor._question


def built(text: str, identity: Identity, variables: dict[str, Any], context: Any = None) -> SharingExecutor:
    context = context or SimpleNamespace(identity=identity, entries=7)
    executor = SharingExecutor.build(
        SCHEMA._schema, parse(text), context_value=context, raw_variable_values=variables, operation_name="S"
    )
    assert isinstance(executor, SharingExecutor), executor
    executor.answers = Answers()
    return executor


def event() -> JobEvent:
    row = LoggedEvent(7, "j", "o", JobState.CREATED, JobState.LAUNCHING, None, AT, Source.GATEWAY, None)
    return JobEvent(row=row)


def test_what_is_followed_changes_no_answer() -> None:
    assert asked("state", id="job_1", after="1") == asked("state", id="job_2") == asked("state")
    assert asked(FILES, id="job_1", path="a") == asked(FILES, id="job_2", path="a")


@pytest.mark.parametrize(
    ("selection", "document"),
    [
        (FILES, FOLLOWED),
        ("cursor @include(if: true) job { name @skip(if: false) files(path: $path) { name } }", FOLLOWED),
        ("...E", f"{FOLLOWED} fragment E on JobEvent {{ {FILES} }}"),
        ("job { ...J }", f"{FOLLOWED} fragment J on Job {{ files(path: $path) {{ name }} }}"),
        ("", BOTH),
    ],
)
def test_variables_inside_the_selection_change_it(selection: str, document: str) -> None:
    one, other, none = (asked(selection, document=document, **given) for given in ({"path": "a"}, {"path": "b"}, {}))
    assert len({one, other, none}) == 3
    assert one == asked(selection, document=document, path="a")


def test_a_fragment_on_the_root_says_what_is_followed_too() -> None:
    document = "subscription S($id: ID) { ...R } fragment R on Subscription { jobStateChanged(jobId: $id) { state } }"
    assert asked("", document=document, id="job_1") == asked("", document=document, id="job_2")


def test_conditions_at_the_root_change_it() -> None:
    document = "subscription S($more: Boolean!) { jobStateChanged { state reason @include(if: $more) } }"
    assert asked("", document=document, more=True) != asked("", document=document, more=False)


def test_texts_and_callers_change_it() -> None:
    questions = {
        asked("state"),
        asked("state reason"),
        asked("again: state"),
        asked("state", Identity("grace@example.org", "Ada", Role.USER, credential="token 1")),
        asked("state", Identity("ada@example.org", "Ada", Role.ADMIN, credential="token 1")),
        asked("state", Identity("ada@example.org", "Ada", Role.USER, credential="token 2")),
        asked("state", Identity("ada@example.org", "Ada", Role.USER, credential="token 1", expires_at=AT)),
    }
    assert len(questions) == 7


def test_a_subscription_that_lasts_for_ever_holds_no_more_with_every_event() -> None:
    context = SimpleNamespace(identity=ADA, entries=7)
    executor = built(FOLLOWED % "cursor state at", ADA, {}, context)
    for _ in range(50):
        result = executor.build_per_event_executor(event()).execute_operation(False)
        assert orjson.loads(orjson.dumps(result.data))["jobStateChanged"]["state"] == "LAUNCHING"
    assert not executor._relevant_sub_fields
    assert not executor._plans
    assert context.entries == 0, "each event is an answer"
