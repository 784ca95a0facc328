"""What an operation selects is collected once, and answered with as if it were collected each time."""

from inspect import isawaitable
from typing import Any

import pytest
from graphql import OperationDefinitionNode, execute, get_operation_ast, parse

from gql_gateway.api.execution import PlainExecutor
from gql_gateway.api.selections import REMEMBERED, REMEMBERED_LENGTH, Selections
from tests.api.test_execution import PLAIN, SELECTIONS, THINGS


class Keeping(PlainExecutor):
    """Keeps selections in a place of its own."""

    selections = Selections()


async def executed(document: Any, executor: type[PlainExecutor], **variables: object) -> Any:
    found: Any = execute(PLAIN._schema, document, variable_values=variables, executor_class=executor)
    result = await found if isawaitable(found) else found
    return result.data, [error.formatted for error in result.errors or ()]


def operation(text: str) -> OperationDefinitionNode:
    found = get_operation_ast(parse(text))
    assert found
    return found


@pytest.mark.parametrize("selection", SELECTIONS)
async def test_the_second_answer_is_as_good_as_the_first(selection: str) -> None:
    selected, _, fragment = selection.partition(" | ")
    document = parse(f"query($kind: String!) {{ strict(kind: $kind) {{ {selected} }} named {{ name }} }} {fragment}")
    for kind in (*THINGS, "good"):
        answer = await executed(document, Keeping, kind=kind)
        assert str(answer) == str(await executed(document, PlainExecutor, kind=kind))


async def test_what_variables_leave_out_is_left_out_each_time() -> None:
    inside = 'one(kind: "good") { size name @include(if: $yes) }'
    document = parse(f"query($yes: Boolean!) {{ {inside} other: named @skip(if: $yes) {{ name }} }}")
    answers = [await executed(document, Keeping, yes=yes) for yes in (True, False, True)]
    assert answers[0] == answers[2] == ({"one": {"size": 2, "name": "a"}}, [])
    assert answers[1] == ({"one": {"size": 2}, "other": {"name": "a"}}, [])


def test_only_what_is_the_same_each_time_is_kept() -> None:
    selections = Selections()
    steady = operation("{ named { name } }")
    assert selections.of(steady, {"named": 1}) is selections.of(steady, {"named": 2})
    assert selections.of(operation("{ named { name @skip(if: false) } }"), {}) is None
    long = operation("{ named { name } }" + " " * REMEMBERED_LENGTH)
    assert selections.of(long, {}) is not selections.of(long, {})


def test_no_more_are_kept_than_it_says_and_none_gets_the_place_of_another() -> None:
    selections = Selections()
    for number in range(3 * REMEMBERED):
        root = {"number": number}
        kept = selections.of(operation(f"{{ a{number}: named {{ name }} }}"), root)
        assert kept
        assert kept.root is root
    assert len(selections._kept._kept) == REMEMBERED
