"""run.sh: whatever a user types is refused or inert, and what Slurm and the shell read is what was meant."""

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from gql_gateway.cluster import container, script
from gql_gateway.cluster.container import MODERN, Runtime
from gql_gateway.core.errors import ClusterUnavailable, Refused
from gql_gateway.core.spec import JobSpec, check_spec

JOB_ID = "01a20721fa525ed30fc429b005e537c7"
ROOT = "/scratch/hpcgw"
FOLDER = f"alice/{JOB_ID}"

SHELL_PIECES = st.sampled_from([
    "'", '"', "\\", "`touch canary`", "$(touch canary)", "${IFS}", "$PATH", ";", "&", "|", ">canary", "<", "\n", "\n\n",
    "#SBATCH --time=0\n", "\n#SBATCH --uid=0\n", " ", "\t", "*", "~", "!", "(", ")", "{", "}", "[", "\\\n", "EOF\n",
    "\0", "\r\n", "\x1b", "é", "\u2028", "\x85", "--bind", "-B/etc:/job", ",", ":", "=", "%j", "$'\\n'",
])  # fmt: skip
HOSTILE = st.lists(SHELL_PIECES | st.text(max_size=5), max_size=8).map("".join)


def made(values: dict[str, Any]) -> JobSpec:
    """A specification that the checks let through; other examples are thrown away."""
    try:
        return check_spec({"name": "a label", "image": "/opt/img/a.sif"} | values)
    except Refused:
        assume(False)
        raise


def rendered(spec: JobSpec, **more: Any) -> str:
    return script.render(script.ScriptInput(JOB_ID, ROOT, FOLDER, spec, **more))


def parts(text: str) -> tuple[str, str, str]:
    """Before the command that starts the container, that command, and what follows."""
    start = text.index("\nenv -i ") + 1
    end = text.rindex(" </dev/null &\ngw_child=")
    return text[:start], text[start:end], text[end:]


def directives(text: str) -> dict[str, str]:
    """What Slurm reads: the comment lines before the first command, each one word behind #SBATCH."""
    found: dict[str, str] = {}
    for line in text.split("\n")[1:]:
        if line and not line.startswith("#"):
            break
        if line.startswith("#SBATCH"):
            (option,) = shlex.split(line.removeprefix("#SBATCH "))
            name, _, value = option.partition("=")
            assert name not in found
            found[name] = value
    return found


def words_as_bash_reads_them(command: str) -> list[str]:
    """The words of the command that starts the container, told by a bash that can run nothing."""
    told = subprocess.run(
        ["/bin/bash", "-r", "-c", f"env() {{ printf '%s\\0' \"$@\"; }}; gw_job=JOB; {command}"],
        env={"PATH": "nowhere"},
        capture_output=True,
        check=True,
        timeout=10,
    )
    assert told.stderr == b""
    return told.stdout.decode().split("\0")[:-1]


WAYS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries({"command": HOSTILE}),
    st.fixed_dictionaries({"args": st.lists(HOSTILE, min_size=1, max_size=3).map(tuple)}),
    st.just({}),
)
VARIABLES = st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True), HOSTILE, max_size=3)


@settings(deadline=None, max_examples=60)
@given(WAYS, VARIABLES)
@example({"command": "echo\n#SBATCH --time=0\n'"}, {"A": "x'y\n#SBATCH --uid=0\n"})
@example({"args": ("--bind", "/etc:/job/etc", "-n", "")}, {"A": ""})
def test_what_a_user_types_is_words_behind_the_container_command_and_nothing_else(
    way: dict[str, Any], variables: dict[str, str]
) -> None:
    environment = tuple({"name": name, "value": value} for name, value in variables.items())
    spec = made(way | {"environment": environment})
    text = rendered(spec)

    before, command, after = parts(text)
    plain_before, _, plain_after = parts(rendered(made({})))
    assert (before, after) == (plain_before, plain_after)

    words = words_as_bash_reads_them(command)
    end = words.index("singularity")
    assert words[:2] == ["-i", "PATH=nowhere"]
    assert words[end - len(variables) : end] == [f"SINGULARITYENV_{name}={value}" for name, value in variables.items()]
    assert words[words.index("/opt/img/a.sif", end) + 1 :] == container.program(spec)

    for shell in ("bash", "dash"):
        subprocess.run([shell, "-n"], input=text.encode(), check=True, timeout=10)


LABELS = HOSTILE | st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._+@ -]{0,63}", fullmatch=True)


@settings(max_examples=200)
@given(LABELS, LABELS, LABELS, LABELS)
@example("a #b", "debug", "a\n#SBATCH --uid=0", "q")
@example("gw-x", "debug,short", "", "-p")
def test_names_that_stand_in_directives_are_refused_or_inert(name: str, partition: str, account: str, qos: str) -> None:
    for resources in ({"partition": partition}, {"account": account}, {"qos": qos}, {}):
        try:
            spec = check_spec({"name": name, "image": "/opt/img/a.sif", "resources": resources})
        except Refused:
            continue
        ours = directives(rendered(made({})))
        expected = ours | {"--comment": name} | {f"--{field}": value for field, value in resources.items()}
        assert directives(rendered(spec)) == expected


def test_directives_say_what_was_asked() -> None:
    resources = {
        "partition": "debug", "nodes": 2, "tasks_per_node": 3, "cpus_per_task": 4, "memory_per_node": 3 * 2**20 + 1,
        "gpus_per_node": 5, "time_limit_seconds": 61, "account": "lab", "qos": "normal",
    }  # fmt: skip
    text = rendered(made({"name": "my first job", "resources": resources}))
    assert directives(text) == {
        "--no-requeue": "", "--job-name": f"gw-{JOB_ID}", "--comment": "my first job",
        "--chdir": f"{ROOT}/{FOLDER}", "--output": f"{ROOT}/{FOLDER}/slurm-%j.out", "--open-mode": "append",
        "--export": "NONE", "--partition": "debug", "--account": "lab", "--qos": "normal", "--nodes": "2",
        "--ntasks-per-node": "3", "--cpus-per-task": "4", "--mem": "4M", "--gres": "gpu:5", "--time": "2",
    }  # fmt: skip


def test_what_was_not_asked_is_left_to_the_partition() -> None:
    assert not {"--mem", "--time", "--gres", "--partition", "--account", "--qos"} & set(directives(rendered(made({}))))


@pytest.mark.parametrize(
    ("job_id", "root", "folder"),
    [
        ("x", ROOT, FOLDER),
        ("../" + JOB_ID[3:], ROOT, FOLDER),
        (JOB_ID, "/a b", FOLDER),
        (JOB_ID, "/a/../b", FOLDER),
        (JOB_ID, "relative", FOLDER),
        (JOB_ID, ROOT, "a/$(id)"),
        (JOB_ID, ROOT, "../a"),
        (JOB_ID, ROOT, "/a"),
        (JOB_ID, ROOT, "a/b\n"),
    ],
)
def test_a_folder_that_needs_quoting_is_refused(job_id: str, root: str, folder: str) -> None:
    with pytest.raises(ValueError, match="not allowed"):
        script.ScriptInput(job_id, root, folder, made({}))


def test_the_preamble_runs_in_a_login_shell_before_the_container_command_is_looked_for() -> None:
    text = rendered(made({}), preamble=("module load singularity", "ulimit -c 0"), command="/opt/s p/singularity")
    assert text.startswith("#!/bin/bash -l\n#SBATCH ")
    assert text.index("\nmodule load singularity\nulimit -c 0\n") < text.index("\ncommand -v -- '/opt/s p/singularity'")
    assert rendered(made({})).startswith("#!/bin/bash\n#SBATCH ")


def test_the_walls() -> None:
    words = words_as_bash_reads_them(parts(rendered(made({"command": "true"})))[1])
    assert words[words.index("singularity") :] == [
        "singularity", "--silent", "exec", "--containall", "--no-home", "--home", "/job", "--pwd", "/job",
        "--no-privs", "--no-eval", "--no-umask", "--no-mount", "sys,bind-paths", "--bind", "JOB/work:/job",
        "/opt/img/a.sif", "/bin/sh", "-c", "true",
    ]  # fmt: skip


def test_the_walls_vary_with_network_graphics_and_version() -> None:
    old = Runtime(environment_prefix="SINGULARITYENV_", optional=("--no-privs",), no_mount=())
    spec = made({"args": ("a",), "resources": {"gpus_per_node": 1}})
    assert container.options(spec, "none", old) == [
        "--containall", "--no-home", "--home", "/job", "--pwd", "/job",
        "--no-privs", "--net", "--network", "none", "--nv",
    ]  # fmt: skip
    assert "CUDA_VISIBLE_DEVICES" in rendered(spec)
    assert "CUDA_VISIBLE_DEVICES" not in rendered(made({}))


NEEDED = "--containall --no-home --home --bind --pwd"


@pytest.mark.parametrize(
    ("text", "runtime"),
    [
        (
            f"apptainer exec … {NEEDED} --no-privs --no-eval --no-umask --no-mount 'bind-paths'",
            Runtime("APPTAINERENV_", ("--no-privs", "--no-eval", "--no-umask"), ("sys", "bind-paths")),
        ),
        (f"singularity exec … {NEEDED} --no-privs --no-eval --no-umask --no-mount 'bind-paths'", MODERN),
        (f"singularity exec … {NEEDED} --no-privs --no-mount", Runtime("SINGULARITYENV_", ("--no-privs",), ("sys",))),
        (f"singularity exec … {NEEDED} --no-privs", Runtime("SINGULARITYENV_", ("--no-privs",), ())),
    ],
)
def test_the_help_text_tells_what_a_version_knows(text: str, runtime: Runtime) -> None:
    assert container.read_help(text) == runtime


@pytest.mark.parametrize("text", ["", "singularity: command not found", "--containall --home --bind --pwd"])
def test_a_command_without_walls_is_not_used(text: str) -> None:
    with pytest.raises(ClusterUnavailable, match="--no-home"):
        container.read_help(text)


def test_a_script_that_was_cut_off_does_nothing_at_all(tmp_path: Path) -> None:
    job = tmp_path / FOLDER
    (job / "work").mkdir(parents=True)
    input_ = script.ScriptInput(JOB_ID, str(tmp_path), FOLDER, made({"command": "touch canary"}), "no-such-command")
    whole = script.render(input_)

    def run(text: str) -> int:
        done = subprocess.run(["/bin/bash"], input=text, text=True, env={"SLURM_JOB_ID": "7"}, check=False)
        return done.returncode

    for length in range(0, len(whole) - 3, 41):
        run(whole[:length])
        assert not (job / "claim").is_symlink(), length
    assert run(whole) == script.NO_CONTAINER
    assert (job / "claim").is_symlink()
