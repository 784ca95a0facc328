"""The old gateway's jobs, read: words and files for the image's entry point, all else for the container's shell."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gql_gateway.core.errors import ErrorCode, Refused
from gql_gateway.core.spec import check_spec
from gql_gateway.web.transformations import job_values, run_values

RUN: dict[str, object] = {"entry_point": True}
BOTH = {"stdout": "f", "stderr": "f"}
PLAIN = {"job_name": "demo00", "image": "docker://hello-world:latest"}


@pytest.mark.parametrize(
    ("command", "values"),
    [
        ("", RUN),
        ("> output", RUN | {"stdout": "output"}),
        (">output", RUN | {"stdout": "output"}),
        ("1> output", RUN | {"stdout": "output"}),
        ("pw.x -in a.in > a.out", RUN | {"args": ("pw.x", "-in", "a.in"), "stdout": "a.out"}),
        ("lmp < in.lj > log 2> err", RUN | {"args": ("lmp",), "stdin": "in.lj", "stdout": "log", "stderr": "err"}),
        ("x > f 2>&1", RUN | {"args": ("x",)} | BOTH),
        ("x 2>&1 > f", RUN | {"args": ("x",), "stdout": "f"}),
        ("x &> f", RUN | {"args": ("x",)} | BOTH),
        ("echo 2 > f", RUN | {"args": ("echo", "2"), "stdout": "f"}),
        ("echo 'a > b' \"c d\"", RUN | {"args": ("echo", "a > b", "c d")}),
        ("  a=b --c=d,e  ", RUN | {"args": ("a=b", "--c=d,e")}),
    ],
)
def test_simple_ones_need_no_shell(command: str, values: dict[str, object]) -> None:
    assert run_values(command) == values


@pytest.mark.parametrize(
    "command",
    [
        "x | tee y",
        "x; y",
        "x && y",
        "x &",
        "echo $HOME",
        "echo `id`",
        "echo $(id) > f",
        "ls *",
        "x > out/y",
        "x > ../y",
        "x > /etc/passwd",
        "x >> y",
        "x > a > b",
        "x 2>&1 | y",
        "x>y",
        "x <<EOF",
        "x\ny",
        "x # y",
        "x {a,b}",
        "~/x",
        "x 'open",
        'echo "$HOME"',
        "x > -y",
        "x 3> y",
    ],
)
def test_what_a_shell_must_read_is_read_in_the_container(command: str) -> None:
    assert run_values(command) == {"command": f"/.singularity.d/runscript {command}"}


@given(st.text(alphabet="ab '\"<>&12$;|\\\n/.=-", max_size=30))
def test_words_are_those_that_a_shell_would_see(command: str) -> None:
    values = run_values(command)
    if "args" in values:
        args = values["args"]
        assert isinstance(args, tuple)
        seen = shlex.split(command)
        assert [word for word in seen if word in args], "each is one that stands there"
        assert len(args) <= len(seen)


def test_a_whole_job() -> None:
    given_values = {**PLAIN, "ntasks_per_node": "4", "partition": "debug", "executable_cmd": "> output", "email": "x"}
    spec = check_spec(job_values(given_values))
    assert (spec.name, spec.image, spec.stdout) == ("demo00", "docker://hello-world:latest", "output")
    assert (spec.resources.tasks_per_node, spec.resources.partition) == (4, "debug")


@pytest.mark.parametrize("body", [[], None, "x", {**PLAIN, "mail": "x"}, {**PLAIN, "executable_cmd": 5}])
def test_what_is_no_job(body: object) -> None:
    with pytest.raises(Refused) as caught:
        job_values(body)
    assert caught.value.code is ErrorCode.INVALID_INPUT


@pytest.mark.parametrize("command", ["> run.sh", "> slurm-1.out", "< run.sh"])
def test_protected_files_are_no_streams(command: str) -> None:
    with pytest.raises(Refused, match="belongs to the job"):
        check_spec(job_values({**PLAIN, "executable_cmd": command}))
