"""What the tests of the web floor share."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
