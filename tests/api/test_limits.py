"""How heavy a query is."""

import pytest
from graphql import get_introspection_query, parse
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


@pytest.mark.parametrize(
    ("arguments", "fields"), [("", 32), ("(limit: 1)", 0), ("(limit: $most)", 1024), ("(limit: 9999999999999)", 1024)]
)
def test_a_part_of_a_file_costs_what_it_holds(arguments: str, fields: int) -> None:
    text = f"query($most: Int) {{ job {{ output{arguments} {{ text }} }} }}"
    assert weigh(text, most=2**20).cost == 3 + fields


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


REPEATED = {
    "fields": "{" + "heartbeat { ok } " * 700 + "}",
    "arguments": "{" + 'node(id: "a") { id } ' * 300 + "}",
    "inline fragments": "{" + "... on Query { me { id } } " * 300 + "}",
    "fragments": "{" + "".join(f"...F{n} " for n in range(200)) + "}"
    + "".join(f"fragment F{n} on Query {{ me {{ id name }} }}" for n in range(200)),
    "one fragment": "{" + "...F " * 1000 + "} fragment F on Query { me { id } }",
    "unused fragments": "{ me { id } } fragment F on User {" + "id " * 1500 + "}",
    "deep": "{" + "me { jobs(first: 1) { nodes { owner { id } } } } " * 200 + "}",
    "fragments in a ring": "{ me { ...A } } fragment A on User { jobs { nodes { owner { ...A } } } }",
}  # fmt: skip


@pytest.mark.parametrize("kind", REPEATED)
def test_what_would_be_compared_with_itself_over_and_over_is_refused(kind: str) -> None:
    (error,) = GatewaySchema().documents.prepare(REPEATED[kind]).errors

    assert error.message.endswith("at most 20000 such pairs are allowed.")
    assert error.extensions == {"code": "LIMIT_EXCEEDED"}


def test_a_document_as_tools_write_it_repeats_little() -> None:
    fragments = "".join(f"fragment F{n} on Job {{ id name state cluster {{ id name }} }} " for n in range(20))
    spreads = " ".join(f"...F{n}" for n in range(20))
    text = f'{{ jobs(first: 1) {{ nodes {{ {spreads} }} }} job(id: "x") {{ {spreads} }} }} {fragments}'

    assert GatewaySchema().documents.prepare(text).errors == ()


def test_introspection_is_weighed_by_what_it_gives() -> None:
    documents = GatewaySchema().documents

    assert documents.prepare(get_introspection_query()).errors == ()
    many = " ".join(
        f"a{n}: __schema {{ types {{ fields {{ type {{ fields {{ type {{ name }} }} }} }} }} }}" for n in range(40)
    )
    assert "asks for up to" in documents.prepare(f"{{ {many} }}").errors[0].message
