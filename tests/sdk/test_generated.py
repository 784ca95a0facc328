"""The synchronous client is the asynchronous one's twin."""

import inspect
from pathlib import Path

import pytest

from gql_gateway import sdk
from gql_gateway.sdk.generate import generate

FOLDER = Path(sdk.__file__).parent
TWINS = [(sdk.AsyncHpcGateway, sdk.HpcGateway), (sdk.AsyncJob, sdk.Job)]


@pytest.mark.parametrize("name", ["job", "gateway"])
def test_the_generated_file_is_current(name: str) -> None:
    assert (FOLDER / f"{name}.py").read_text() == generate(name), "run: python gql_gateway/sdk/generate.py"


@pytest.mark.parametrize(("original", "twin"), TWINS)
def test_every_method_has_a_twin_with_the_same_arguments(original: type, twin: type) -> None:
    for name, method in inspect.getmembers(original, inspect.isfunction):
        if not name.startswith("_"):
            assert list(inspect.signature(method).parameters.values()) == list(
                inspect.signature(getattr(twin, name)).parameters.values()
            ), name
