"""docs/api.md: the guide, and behind it every operation and type of schema.graphql."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    build_schema,
    is_specified_scalar_type,
)
from graphql.language import print_ast

ROOT = Path(__file__).parents[1]
GUIDE = ROOT / "scripts" / "api_guide.md"
SCHEMA = ROOT / "schema.graphql"
PAGE = ROOT / "docs" / "api.md"


def page() -> str:
    """The text of docs/api.md."""
    return GUIDE.read_text() + "\n".join(_reference(build_schema(SCHEMA.read_text()))) + "\n"


def _reference(schema: GraphQLSchema) -> Iterator[str]:
    roots = {"Queries": schema.query_type, "Mutations": schema.mutation_type, "Subscriptions": schema.subscription_type}
    for title, root in roots.items():
        if root:
            yield f"## {title}\n\n{_line(root.description)}\n"
            yield from _operations(root)
    kinds = {
        "Types": (GraphQLObjectType, GraphQLInterfaceType),
        "Inputs": (GraphQLInputObjectType,),
        "Enumerations": (GraphQLEnumType,),
        "Scalars": (GraphQLScalarType,),
    }
    named = [kind for name, kind in sorted(schema.type_map.items()) if not name.startswith("__")]
    for title, classes in kinds.items():
        yield f"## {title}\n"
        for kind in named:
            if isinstance(kind, classes) and kind not in roots.values() and not is_specified_scalar_type(kind):
                yield from _type(kind)


def _operations(root: GraphQLObjectType) -> Iterator[str]:
    for name, field in root.fields.items():
        yield f"### {name}\n\n`{name}{_arguments(field.args)}: {field.type}`\n\n{_line(field.description)}\n"
        if field.args:
            yield _table(("argument", "type", ""), ((key, *_told(value)) for key, value in field.args.items()))


def _type(kind: GraphQLNamedType) -> Iterator[str]:
    yield f"### {kind.name}\n\n{_line(kind.description)}\n"
    if isinstance(kind, GraphQLEnumType):
        yield _table(("value", ""), ((name, _line(value.description)) for name, value in kind.values.items()))
    elif isinstance(kind, GraphQLObjectType | GraphQLInterfaceType | GraphQLInputObjectType):
        fields = ((name, _arguments(getattr(field, "args", {})), field) for name, field in kind.fields.items())
        yield _table(("field", "type", ""), ((f"{name}{given}", *_told(field)) for name, given, field in fields))


def _told(value: GraphQLArgument | GraphQLField | GraphQLInputField) -> tuple[str, str]:
    """Type and description of an argument or field, and what it is where nothing is given."""
    default = getattr(value.ast_node, "default_value", None)
    kind = f"`{value.type}{f' = {print_ast(default)}' if default else ''}`"
    gone = f"**Deprecated.** {value.deprecation_reason} " if value.deprecation_reason else ""
    return kind, f"{gone}{_line(value.description)}"


def _arguments(arguments: Mapping[str, object]) -> str:
    return f"({', '.join(arguments)})" if arguments else ""


def _line(text: str | None) -> str:
    return " ".join((text or "").split())


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head)]
    lines += [(f"`{first}`", *(cell.replace("|", "\\|") for cell in rest)) for first, *rest in rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


if __name__ == "__main__":
    PAGE.write_text(page())
