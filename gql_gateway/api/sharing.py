"""Events that look the same to all who ask alike: executed and encoded once, however many of them follow.

Many tabs and dashboards of one user follow the same jobs with the same document. What it tells of an event depends on
its text, on the variables inside its selection, on who asks, and on the moment. So whoever has all of these in common
within a second gets one answer (docs/decisions/0060-one-answer-for-all-who-ask-alike.md). Each subscription has its own
place in the log, its own token, its own pace and its own errors: what is shared is the work for an event that the tail
of the log hands to all of them, and no answer with errors in it.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import orjson
from graphql import ExecutionResult, FieldNode, Location, Node, Undefined, VariableNode

from gql_gateway.api.execution import PlainExecutor
from gql_gateway.api.jobs import JobEvent
from gql_gateway.api.selections import Selections

SHARED_SECONDS = 1.0
"""So long an answer is given to others: fields such as `JobEvent.job` tell how things are now."""
KEPT, KEPT_BYTES = 2_000, 16 * 2**20

Result = ExecutionResult | Awaitable[ExecutionResult]
Execute = Callable[[], Result]
_Key = tuple[object, int]


@dataclass(slots=True)
class _Answer:
    """What was executed, or is being executed, for an event, which is held so that nothing else gets its id."""

    event: object
    begun: float
    result: Result
    size: int = 0


class Answers:
    """The answers of the last second, at most `kept` and `kept_bytes` of them."""

    def __init__(self, kept: int = KEPT, kept_bytes: int = KEPT_BYTES) -> None:
        self._kept = kept
        self._kept_bytes = kept_bytes
        self._answers: OrderedDict[_Key, _Answer] = OrderedDict()
        self._size = 0

    def once(self, question: object, event: object, execute: Execute) -> Result:
        """The answer to a question about an event, executed only where nobody asked the same just before."""
        key, now = (question, id(event)), time.monotonic()
        self._forget(before=now - SHARED_SECONDS)
        if known := self._answers.get(key):
            return known.result if isinstance(known.result, ExecutionResult) else _others(known.result, execute)
        answer = self._answers[key] = _Answer(event, now, execute())
        if isinstance(answer.result, ExecutionResult):
            return self._finish(key, answer, answer.result)
        # A task of its own, since others may wait for it too, and go on waiting when the first one leaves.
        answer.result = asyncio.ensure_future(self._finished(key, answer, answer.result))
        return asyncio.shield(answer.result)

    async def _finished(self, key: _Key, answer: _Answer, result: Awaitable[ExecutionResult]) -> ExecutionResult:
        try:
            return self._finish(key, answer, await result)
        except BaseException:
            self._drop(key, answer)
            raise

    def _finish(self, key: _Key, answer: _Answer, result: ExecutionResult) -> ExecutionResult:
        """Encode an answer for all; one with errors is not kept."""
        if result.errors:
            self._drop(key, answer)
            return result
        content = _compact(orjson.dumps(result.data))
        answer.result = ExecutionResult(orjson.Fragment(content), None)  # type: ignore[arg-type]  # written as it is
        if self._answers.get(key) is answer:
            answer.size = len(content)
            self._size += answer.size
            self._forget(before=0.0)
        return answer.result

    def _forget(self, *, before: float) -> None:
        """Forget what is too old or too much, the oldest first."""
        while self._answers:
            key, oldest = next(iter(self._answers.items()))
            if oldest.begun >= before and len(self._answers) <= self._kept and self._size <= self._kept_bytes:
                return
            self._drop(key, oldest)

    def _drop(self, key: _Key, answer: _Answer) -> None:
        if self._answers.get(key) is answer:
            del self._answers[key]
            self._size -= answer.size


async def _others(running: Awaitable[ExecutionResult], execute: Execute) -> ExecutionResult:
    """The answer that another waits for; where it has errors, one's own, with one's own errors."""
    with suppress(Exception):
        result = await asyncio.shield(running)
        if not result.errors:
            return result
    own = execute()
    return own if isinstance(own, ExecutionResult) else await own


class SharingExecutor(PlainExecutor):
    """The executor of every operation: events of jobs are executed once for all who ask alike."""

    answers: Answers
    _question: object = None

    def build_per_event_executor(self, payload: Any) -> "SharingExecutor":
        """A copy for one event.

        graphql-core (3.3.2) has all copies remember what they collected in the first one, by the identity of lists
        that each of them makes anew: 2 KiB with every event for as long as the subscription lasts.
        """
        if self._question is None:
            self._question = _question(self)
        executor = cast(SharingExecutor, super().build_per_event_executor(payload))
        executor._relevant_sub_fields = {}  # noqa: SLF001 - there is no other way to it
        executor._plans = {}  # noqa: SLF001 - as above
        executor.context_value.entries = 0  # each event is an answer
        return executor

    def execute_operation(self, serially: bool | None = None) -> Any:
        """Execute an operation, or one event of it."""
        execute: Callable[[], Any] = partial(super().execute_operation, serially)
        if self._question is None or not isinstance(self.root_value, JobEvent):
            return execute()
        return self.answers.once(self._question, self.root_value.row, execute)


def sharing(answers: Answers) -> type[SharingExecutor]:
    """An executor class for Strawberry, which makes an object of it for each operation and gives it no choice."""
    return type("Executor", (SharingExecutor,), {"answers": answers, "selections": Selections()})


def _question(executor: PlainExecutor) -> object:
    """All that an answer depends on, but for the event and the moment."""
    operation, root = executor.operation, executor.schema.get_root_type(executor.operation.operation)
    names = set(_variables(operation.selection_set, at_root=True))
    for fragment in executor.fragment_definitions.values():
        names.update(_variables(fragment, at_root=root is not None and fragment.type_condition.name.value == root.name))
    given = {name: source.value for name, source in executor.variable_values.sources.items() if name in names}
    said = {name: value for name, value in given.items() if value is not Undefined}
    return (
        cast(Location, operation.loc).source.body,
        operation.name.value if operation.name else None,
        _compact(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)),
        executor.context_value.identity,
    )


def _compact(json: bytes) -> bytes:
    """The same in no more memory than it needs: what orjson (3.13) returns holds 4 KiB, however short it is."""
    return bytes(memoryview(json))


def _variables(node: Node, *, at_root: bool) -> Iterator[str]:
    """Names of the variables in a part of a document, but for the arguments of root fields: what is followed.

    Which events come depends on those, and what is told of one does not.
    """
    if isinstance(node, VariableNode):
        yield node.name.value
    within = at_root and not isinstance(node, FieldNode)
    for key in node.keys:
        if at_root and isinstance(node, FieldNode) and key == "arguments":
            continue
        found = getattr(node, key)
        for child in found if isinstance(found, list | tuple) else (found,):
            if isinstance(child, Node):
                yield from _variables(child, at_root=within)
