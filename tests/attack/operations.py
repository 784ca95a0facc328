"""GraphQL operations made from a gateway's own schema, so that a new field is attacked as soon as it is there."""

import json
from collections.abc import Mapping
from typing import Any

from graphql import (
    GraphQLArgument,
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

from tests.client import Client

SAMPLES: dict[str, object] = {
    "path": "x", "size": 3, "name": "x", "first": 5, "image": "/opt/img/busybox.sif", "search": "", "offset": 0,
    "overwrite": True, "key": "k", "value": "v",
}  # fmt: skip
DEPTH = 5


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


def takes_file(field: GraphQLField) -> bool:
    """Whether there is a file in it, which only a multipart request brings."""
    inner = [get_named_type(argument.type) for argument in field.args.values()]
    inputs = [kind for kind in inner if isinstance(kind, GraphQLInputObjectType)]
    return any(get_named_type(one.type).name == "Upload" for kind in inputs for one in kind.fields.values())


def operation(kind: str, name: str, field: GraphQLField, target: str, schema: GraphQLSchema) -> tuple[str, Any]:
    """A document and its variables, with what a field needs and every id."""
    used = {key: one for key, one in field.args.items() if is_non_null_type(one.type) or takes_id(one.type)}
    return document(kind, name, field, used, schema), {key: value(one.type, key, target) for key, one in used.items()}


def document(
    kind: str, name: str, field: GraphQLField, used: Mapping[str, GraphQLArgument], schema: GraphQLSchema
) -> str:
    """A document that asks one field with these arguments, each a variable."""
    head = ", ".join(f"${key}: {one.type}" for key, one in used.items())
    given = ", ".join(f"{key}: ${key}" for key in used)
    inside = selection(get_named_type(field.type), 1 if kind == "mutation" else DEPTH, schema)
    return f"{kind}{f'({head})' if head else ''} {{ {name}{f'({given})' if given else ''} {inside} }}"
