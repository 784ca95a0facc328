"""What a job may ask for: every field has a rule of its own, every fault is told with its path."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gql_gateway.core.errors import ErrorCode, Refused
from gql_gateway.core.spec import JobSpec, check_spec, image_allowed

PLAIN: dict[str, object] = {"name": "relax", "image": "/opt/img/busybox.sif"}


def refused_fields(**values: object) -> set[str]:
    with pytest.raises(Refused) as caught:
        check_spec(PLAIN | values)
    assert {problem.code for problem in caught.value.problems} == {ErrorCode.INVALID_INPUT}
    return {".".join(problem.field or ()) for problem in caught.value.problems}


@pytest.mark.parametrize(
    "name", ["", " x", "a\n", "a'b", 'a"b', "$(x)", "#SBATCH", "a;b", "x" * 65, "ä", "a\x00b", "-a"]
)
def test_names_that_could_mean_something_are_refused(name: str) -> None:
    assert refused_fields(name=name) == {"input.name"}


@pytest.mark.parametrize(
    "image",
    [
        "",
        "busybox.sif",
        "/",
        "//",
        "../x.sif",
        "/opt/../etc/x.sif",
        "-x",
        "docker://",
        "docker://a b",
        "file:///x",
        "/a,b:c",
        "/a\n",
    ],
)
def test_images_are_uris_or_absolute_paths(image: str) -> None:
    assert refused_fields(image=image) == {"input.image"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("partition", "a,b"),
        ("partition", ""),
        ("partition", "a b"),
        ("nodes", 0),
        ("nodes", True),
        ("tasks_per_node", -1),
        ("cpus_per_task", 5000),
        ("memory_per_node", 0),
        ("gpus_per_node", 65),
        ("time_limit_seconds", 0),
        ("time_limit_seconds", -1),
        ("account", "a\nb"),
    ],
)
def test_resources_that_slurm_would_take_wrongly_are_refused(field: str, value: object) -> None:
    (path,) = refused_fields(resources={field: value})
    head, *rest = field.split("_")
    assert path == "input.resources." + head + "".join(part.title() for part in rest)


@pytest.mark.parametrize(
    "name", ["", "1A", "A-B", "A=B", "A B", "SLURM_JOB_ID", "SINGULARITY_BIND", "APPTAINERENV_X", "apptainer_bind"]
)
def test_names_of_environment_variables(name: str) -> None:
    assert all(
        path.startswith("input.environment.0") for path in refused_fields(environment=({"name": name, "value": "1"},))
    )


def test_the_environment_is_bounded_as_a_whole() -> None:
    variables = tuple({"name": f"V{number}", "value": "x" * 8192} for number in range(33))
    assert refused_fields(environment=variables) == {"input.environment"}
    assert check_spec(PLAIN | {"environment": variables[:32]}).environment


def test_faults_are_told_all_at_once() -> None:
    assert refused_fields(name="\n", image="x", resources={"nodes": 0}) == {
        "input.name",
        "input.image",
        "input.resources.nodes",
    }


def test_command_and_args_exclude_each_other() -> None:
    assert refused_fields(command="x", args=("y",)) == {"input"}


@given(st.text(min_size=1, max_size=200))
def test_a_command_is_kept_to_the_letter_or_refused(command: str) -> None:
    try:
        spec = check_spec(PLAIN | {"command": command})
    except Refused:
        assert any(char not in "\n\t" and not char.isprintable() for char in command)
        return
    assert spec.command == command
    assert JobSpec.model_validate_json(spec.model_dump_json()) == spec


def test_units_are_rounded_up_to_slurms_grain() -> None:
    spec = check_spec(PLAIN | {"resources": {"memory_per_node": 1024 * 1024 + 1, "time_limit_seconds": 61}})
    assert (spec.resources.memory_mib, spec.resources.time_limit_minutes) == (2, 2)


@pytest.mark.parametrize(
    ("image", "allowed"),
    [
        ("docker://alpine:3", True),
        ("docker://ghcr.io/a/b@sha256:00", True),
        ("oras://x/y", False),
        ("/opt/img/a.sif", True),
        ("/opt/img/sub/a.sif", False),
        ("/opt/img/a.sif/x", False),
        ("/opt/imga.sif", False),
        ("/opt/img/a.img", False),
    ],
)
def test_patterns_of_allowed_images(image: str, allowed: bool) -> None:
    assert image_allowed(image, ("docker://*", "/opt/img/*.sif")) is allowed


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"resources": {"nodes": 0}}, "resources.nodes: must be greater than or equal to 1."),
        ({"resources": {"qos": "a b"}}, "resources.qos: must be one QOS's name: letters, digits and _ . -."),
        (
            {"environment": ({"name": "1X", "value": ""},)},
            "environment.0.name: must be 1 to 128 letters, digits and _, beginning with a letter or _.",
        ),
        (
            {"environment": ({"name": "SLURM_X", "value": ""},)},
            "environment.0: names that belong to Slurm or the container runtime are set by them alone.",
        ),
    ],
)
def test_faults_are_told_in_words(values: dict[str, object], words: str) -> None:
    with pytest.raises(Refused) as caught:
        check_spec(PLAIN | values)
    assert str(caught.value) == words
