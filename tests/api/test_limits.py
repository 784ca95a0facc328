"""How heavy a query is."""

import pytest
from graphql import parse
from hypothesis import given
from hypothesis import strategies as st

from gql_gateway.api.documents import Documents
from gql_gateway.api.limits import MAX_PAGE_SIZE, PAGE_SIZE, QueryLimits, Scale, Weight
from gql_gateway.api.schema import GatewaySchema


def weigh(text: str, **variables: object) -> Weight:
    return Scale(parse(text), variables).weigh()


def test_fields_inside_fields_are_counted() -> None:
    assert weigh("{ a { b { c } } d }") == Weight(depth=3, aliases=0, cost=4)


def test_aliases_are_counted_also_inside_fragments() -> None:
    assert weigh("{ x: a ...F ...F } fragment F on Query { y: b { z: c } }").aliases == 5


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        ("", PAGE_SIZE),
        ("(first: 7)", 7),
        ("(last: 200)", 200),
        ("(first: 7, last: 9)", 9),
        ("(first: 0)", 1),
        ("(first: -3)", 1),
        ("(first: 1000000)", MAX_PAGE_SIZE),
        ("(first: 99999999999999999999)", MAX_PAGE_SIZE),
        ("(first: null)", PAGE_SIZE),
        ("(first: $n)", 30),
        ("(first: $absent)", PAGE_SIZE),
        ("(first: $usual)", 20),
    ],
)
def test_a_page_multiplies_what_is_inside(arguments: str, size: int) -> None:
    text = f"query($n: Int, $absent: Int, $usual: Int = 20) {{ jobs{arguments} {{ nodes {{ id }} }} }}"
    assert weigh(text, n=30).cost == size * 3


def test_pages_inside_pages_multiply() -> None:
    inner = "jobs(first: 200) { nodes { owner { jobs { nodes { id } } } } }"
    assert weigh(f"{{ jobs(first: 200) {{ nodes {{ owner {{ {inner} }} }} }} }}").cost > 200 * 200 * 50


def test_fragments_that_double_each_other_are_weighed_at_once() -> None:
    fragments = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(200))
    assert weigh(f"{{ ...F0 }} {fragments} fragment F200 on Query {{ a: me {{ id }} }}").aliases == 2**200


def test_a_fragment_inside_itself_ends() -> None:
    assert weigh("{ ...F } fragment F on Query { a ...F }").cost == 1


@given(st.integers())
def test_a_weight_is_never_below_one_a_field(size: int) -> None:
    assert weigh(f"{{ jobs(first: {size}) {{ totalCount }} }}").cost >= 2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{ a { a { a { a } } } }", "is 4 fields deep; at most 3"),
        ("{ x: a y: a z: a }", "has 3 aliases; at most 2"),
        ("{ jobs { nodes { id } } }", "asks for up to 150 fields; at most 100"),
    ],
)
def test_what_is_too_much_is_said_with_the_limit_and_without_validating(text: str, words: str) -> None:
    documents = documents_with(QueryLimits(depth=3, aliases=2, cost=100))
    (error,) = documents.prepare(text).errors
    assert words in error.message
    assert (error.extensions or {})["code"] == "LIMIT_EXCEEDED"


def test_variables_are_weighed_each_time() -> None:
    documents = documents_with(QueryLimits(cost=100))
    prepared = documents.prepare("query($n: Int) { jobs(first: $n) { nodes { id } } }")
    assert documents.errors(prepared, {"n": 200})
    assert not documents.errors(prepared, {"n": 20})


def documents_with(limits: QueryLimits) -> Documents:
    return GatewaySchema(limits).documents
