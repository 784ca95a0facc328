"""What the tests of the API floor share."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
