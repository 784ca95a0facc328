"""Every operation that the client sends is one of the gateway's schema."""

from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

from gql_gateway.sdk import documents

SCHEMA = build_schema((Path(__file__).parents[2] / "schema.graphql").read_text())
OPERATIONS = {name: text for name, text in vars(documents).items() if name.isupper() and not name.startswith("_")}


@pytest.mark.parametrize("name", OPERATIONS)
def test_it_is_valid(name: str) -> None:
    if name == "CREATE_UPLOAD" and "createUpload" not in SCHEMA.mutation_type.fields:
        pytest.skip("this gateway has no resumable uploads; the client does without")
    assert validate(SCHEMA, parse(OPERATIONS[name])) == []
