"""The schema as text: it holds what clients were promised, is committed as it is, and explains itself."""

import re
from pathlib import Path

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    build_schema,
    find_breaking_changes,
    is_introspection_type,
    is_specified_scalar_type,
    parse,
    validate,
)

from gql_gateway.api.schema import sdl

ROOT = Path(__file__).parents[2]
CONTRACT = Path(__file__).with_name("contract.graphql")


@pytest.fixture(scope="module")
def text() -> str:
    return sdl()


@pytest.fixture(scope="module")
def schema(text: str) -> GraphQLSchema:
    return build_schema(text)


def own_types(schema: GraphQLSchema) -> list[GraphQLNamedType]:
    return [
        one for one in schema.type_map.values() if not is_introspection_type(one) and not is_specified_scalar_type(one)
    ]


def test_the_committed_schema_is_this_one(text: str) -> None:
    assert (ROOT / "schema.graphql").read_text() == text, "write it again: gql-gateway schema > schema.graphql"


def test_everything_that_was_promised_is_there(schema: GraphQLSchema) -> None:
    promised = build_schema(CONTRACT.read_text())
    assert [change.description for change in find_breaking_changes(promised, schema)] == []


def test_defaults_are_as_promised(schema: GraphQLSchema) -> None:
    promised = build_schema(CONTRACT.read_text())
    assert {name: default for name, default in defaults(schema).items() if name in defaults(promised)} == defaults(
        promised
    )


def defaults(schema: GraphQLSchema) -> dict[str, object]:
    found: dict[str, object] = {}
    for one in own_types(schema):
        for name, field in getattr(one, "fields", {}).items():
            places = {"": field} if isinstance(one, GraphQLInputObjectType) else field.args
            for argument, place in places.items():
                if place.ast_node and place.ast_node.default_value:
                    found[f"{one.name}.{name}.{argument}"] = place.ast_node.default_value.to_dict()
    return found


def test_everything_explains_itself(schema: GraphQLSchema) -> None:
    silent = []
    for one in own_types(schema):
        silent += [one.name] if not one.description else []
        if isinstance(one, GraphQLEnumType):
            silent += [f"{one.name}.{name}" for name, value in one.values.items() if not value.description]
        if isinstance(one, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
            for name, field in one.fields.items():
                silent += [f"{one.name}.{name}"] if not field.description else []
                arguments = getattr(field, "args", {}).items()
                silent += [f"{one.name}.{name}({key}:)" for key, value in arguments if not value.description]
    assert silent == []


def test_scalars_are_few_and_told() -> None:
    scalars = {one.name for one in own_types(build_schema(sdl())) if isinstance(one, GraphQLScalarType)}
    assert scalars == {"ByteCount", "DateTime", "Upload"}


def test_payloads_are_nullable_and_their_errors_are_not(schema: GraphQLSchema) -> None:
    assert schema.mutation_type is not None
    for name, field in schema.mutation_type.fields.items():
        assert isinstance(field.type, GraphQLObjectType), f"{name} must be nullable"
        assert str(field.type.fields["userErrors"].type) == "[UserError!]!"


def test_every_mutation_has_an_example_that_is_valid(schema: GraphQLSchema) -> None:
    assert schema.mutation_type is not None
    for name, field in schema.mutation_type.fields.items():
        example = re.search(r"Example: `(mutation[^`]*)`", field.description or "")
        assert example, name
        document = parse(example[1])
        assert validate(schema, document) == [], name
        assert f"{name}(" in example[1] or f"{name} {{" in example[1], name
