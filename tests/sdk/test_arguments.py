"""What people write becomes what the gateway is told, or an error that says what is allowed."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gql_gateway.sdk.arguments import job_input, memory_bytes, seconds
from gql_gateway.sdk.errors import InvalidInput

ANYTHING = st.none() | st.text() | st.integers() | st.lists(st.text())
OLD = {
    "job_name": "md run",
    "email": "someone@example.org",
    "ntasks_per_node": "4",
    "partition": "debug",
    "image": "docker://hello-world",
    "executable_cmd": "sim input.txt > output",
}


def test_the_keys_of_the_gateway_before_this_one() -> None:
    assert job_input(OLD) == {
        "name": "md run",
        "image": "docker://hello-world",
        "command": "sim input.txt > output",
        "resources": {"partition": "debug", "tasksPerNode": 4},
    }


def test_everything_that_can_be_said() -> None:
    given_values = {
        "name": "n",
        "image": "/opt/i.sif",
        "args": ("tool", 7),
        "nodes": 2,
        "tasks_per_node": 3,
        "cpus_per_task": 4,
        "memory_per_node": "4G",
        "gpus_per_node": 1,
        "time_limit": timedelta(minutes=5),
        "environment": {"A": 1},
        "labels": {"project": "water", "run": 7},
        "cluster": "local",
        "idempotency_key": "k",
        "partition": None,
    }
    assert job_input(given_values) == {
        "name": "n",
        "image": "/opt/i.sif",
        "args": ["tool", "7"],
        "cluster": "local",
        "idempotencyKey": "k",
        "environment": [{"name": "A", "value": "1"}],
        "labels": [{"key": "project", "value": "water"}, {"key": "run", "value": "7"}],
        "resources": {
            "nodes": 2,
            "tasksPerNode": 3,
            "cpusPerTask": 4,
            "memoryPerNode": 4 * 2**30,
            "gpusPerNode": 1,
            "timeLimitSeconds": 300,
        },
    }


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"image": "i"}, "'name'"),
        ({"name": "n"}, "'image'"),
        ({"name": "n", "image": "i", "walltime": 3}, "Not known: walltime"),
        ({"name": "n", "job_name": "m", "image": "i"}, "both given"),
        ({"name": "n", "image": "i", "args": "ls -l"}, "list of words"),
        ({"name": "n", "image": "i", "labels": ["project"]}, "dict of keys"),
        ({"name": "n", "image": "i", "nodes": "two"}, "whole number"),
        ({"name": "n", "image": "i", "memory": "much"}, "amount of memory"),
        ({"name": "n", "image": "i", "time": "soon"}, "no time"),
    ],
)
def test_what_is_wrong_is_said(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        job_input(wrong)


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("512", 512), ("1K", 1024), ("500m", 500 * 2**20), ("1.5 GiB", 3 * 2**29), ("2TB", 2 * 2**40)],
)
def test_memory(text: str, expected: int) -> None:
    assert memory_bytes(text) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (30, 30),
        (1.6, 2),
        ("90", 90),
        ("90s", 90),
        ("90m", 5400),
        ("90 min", 5400),
        ("2h", 7200),
        ("1d", 86400),
        ("30:00", 1800),
        ("01:02:03", 3723),
        ("1-0", 86400),
        ("1-12", 129600),
        ("1-12:30", 131400),
        ("2-00:00:01", 172801),
    ],
)
def test_time(written: float | str, expected: int) -> None:
    assert seconds(written) == expected


@given(st.dictionaries(st.sampled_from([*OLD, "args", "time", "memory", "environment", "labels", "x"]), ANYTHING))
def test_nothing_but_invalid_input_is_raised(values: dict[str, object]) -> None:
    try:
        made = job_input(values)
    except InvalidInput:
        return
    assert {"name", "image"} <= made.keys()
