"""Schemathesis over every query and mutation: whatever is asked, nothing breaks.

Its own check takes each error with a path for one of the server's, a page of 201 jobs too. Here an error is the
server's where it says so: by its status, by the code INTERNAL, or by no code at all.
"""

import logging
from pathlib import Path
from typing import Any

import hypothesis
import schemathesis
from graphql import StringValueNode
from hypothesis import strategies as st
from schemathesis.graphql import nodes

from demo.gateway import GatewayProcess
from tests.client import Client

SCHEMA = schemathesis.graphql.from_path(str(Path(__file__).parents[2] / "schema.graphql"))
EXAMPLES = 25
NO_FAULT = {
    "BAD_REQUEST",
    "FORBIDDEN",
    "LIMIT_EXCEEDED",
    "NOT_FOUND",
    "USER_NOT_CREATED",
    "INVALID_INPUT",
    "GRAPHQL_VALIDATION_FAILED",
}

schemathesis.graphql.scalar("ByteCount", st.integers(0, 2**53 - 1).map(nodes.Int))
schemathesis.graphql.scalar("DateTime", st.datetimes().map(lambda moment: nodes.String(f"{moment.isoformat()}Z")))
# A file comes as a part of its own: what is in the document in its place is refused.
schemathesis.graphql.scalar("Upload", st.text().map(lambda text: StringValueNode(value=text)))


@SCHEMA.parametrize()
@hypothesis.settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(hypothesis.HealthCheck)
)
def test_nothing_that_is_asked_breaks_the_gateway(
    case: schemathesis.Case, gateway: GatewayProcess, alice: Client
) -> None:
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    response = case.call(base_url=f"{gateway.url}/graphql", headers={"Authorization": f"Bearer {alice.token}"})
    assert response.status_code in {200, 400}, response.text
    answer: dict[str, Any] = response.json()
    for error in answer.get("errors", []):
        assert error["extensions"]["code"] in NO_FAULT, error
        assert error["message"] != "Internal error"
