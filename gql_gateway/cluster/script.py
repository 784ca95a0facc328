"""Writes a job's run.sh: Slurm's directives, the claim, the records, the site's preamble, the container. Pure.

What runs outside the container is this text, the site's preamble and the container command; what the user typed
occurs only as quoted words behind it. The text is run by bash (sites' `module` is a function of it) and keeps to
what every POSIX shell parses.

The exit status is the container's own, but for 95: a file of the job's folder cannot be a standard stream, 96: no
container command on the node, 97: the job's folder is not as it must be, 98: another Slurm job holds the claim.
"""

import re
import shlex
from dataclasses import dataclass

from gql_gateway.cluster import container, redirections
from gql_gateway.cluster.container import INSIDE, MODERN, Network, Runtime
from gql_gateway.core.ids import slurm_name
from gql_gateway.core.paths import WORK
from gql_gateway.core.spec import JobSpec

NO_CONTAINER = 96
NO_FOLDER = 97
CLAIMED = 98

quote = shlex.quote

_ROOT = re.compile(r"(/[A-Za-z0-9._-]+)+")
_FOLDER = re.compile(r"[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)*")
_ID = re.compile(r"[0-9a-f]{32}")

_FROM_HOST = (
    "HOME",
    "TMPDIR",
    "APPTAINER_CACHEDIR",
    "APPTAINER_TMPDIR",
    "SINGULARITY_CACHEDIR",
    "SINGULARITY_TMPDIR",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
)
"""What the container command itself needs to fetch and unpack an image; none of it reaches the inside."""

_INTO_CONTAINER = (
    "SLURM_JOB_ID",
    "SLURM_JOB_PARTITION",
    "SLURM_JOB_NUM_NODES",
    "SLURM_NTASKS",
    "SLURM_NTASKS_PER_NODE",
    "SLURM_CPUS_PER_TASK",
    "SLURM_CPUS_ON_NODE",
    "SLURM_MEM_PER_NODE",
)
"""Not SLURM_JOBID and SLURM_NODELIST: by those, an MPI in the image would try to start its processes by srun."""


@dataclass(frozen=True, slots=True)
class ScriptInput:
    """What a run.sh is written from. `folder` is the job's folder, relative to `root`, the cluster's root folder.

    `command` is the container command and `preamble` are shell lines, both the site's own and trusted.

    Raises:
        ValueError: an id or folder that could need quoting.
    """

    job_id: str
    root: str
    folder: str
    spec: JobSpec
    command: str = "singularity"
    preamble: tuple[str, ...] = ()
    network: Network = "shared"
    runtime: Runtime = MODERN

    def __post_init__(self) -> None:
        for rule, text in ((_ID, self.job_id), (_ROOT, self.root), (_FOLDER, self.folder)):
            if not rule.fullmatch(text) or ".." in text.split("/"):
                raise ValueError(f"not allowed in a job's script: {text!r}")


def render(job: ScriptInput) -> str:
    """The text of run.sh: UTF-8, ending in a newline."""
    # Only a login shell has `module` and its like, at most sites.
    shell = "#!/bin/bash -l" if job.preamble else "#!/bin/bash"
    return "\n".join([shell, *_directives(job), _OPENING.format(**_names(job)), *job.preamble, _closing(job)])


def _directives(job: ScriptInput) -> list[str]:
    """Slurm reads these up to the first command, so nothing that a user wrote may stand before it but here, checked."""
    needs = job.spec.resources
    folder = f"{job.root}/{job.folder}"
    options = {
        "job-name": slurm_name(job.job_id),
        "comment": f'"{job.spec.name}"',
        "chdir": folder,
        "output": f"{folder}/slurm-%j.out",
        "open-mode": "append",  # a requeued job goes on in the same file, and readers' offsets stay true
        "export": "NONE",
        "partition": needs.partition,
        "account": needs.account,
        "qos": needs.qos,
        "nodes": needs.nodes,
        "ntasks-per-node": needs.tasks_per_node,
        "cpus-per-task": needs.cpus_per_task,
        "mem": None if needs.memory_mib is None else f"{needs.memory_mib}M",
        "gres": f"gpu:{needs.gpus_per_node}" if needs.gpus_per_node else None,
        "time": needs.time_limit_minutes,
    }
    return ["#SBATCH --no-requeue", *(f"#SBATCH --{name}={value}" for name, value in options.items() if value)]


def _names(job: ScriptInput) -> dict[str, str | int]:
    return {
        "token": slurm_name(job.job_id),
        "root": job.root,
        "folder": job.folder,
        "work": WORK,
        "command": quote(job.command),
        "no_container": NO_CONTAINER,
        "no_folder": NO_FOLDER,
        "claimed": CLAIMED,
    }


# A missing working folder does not fail a job, it runs in /tmp (22.05 to 26.05), so the folder is checked here.
# /bin/pwd, for bash's own answers from memory. The root may be reached by links, nothing below it may.
# The trap only notes a signal while there is no container yet: what runs then is the site's preamble.
# All is one command, which a shell reads to its end before it does any of it: where an agent dies while it writes,
# sbatch takes what it was given for the whole script, and a first part of it must not claim the job, nor run.
_OPENING = """
{{
: "${{SLURM_JOB_ID:?is not set: Slurm runs this script, nobody else}}"
unset SLURM_EXPORT_ENV  # --export=NONE sets it, and by it every srun would lose its environment
umask 077

gw_say() {{ printf 'gateway: %s\\n' "$1" >&2; }}
gw_put() {{ printf '%s\\n' "$2" >"$gw_job/.$1.$SLURM_JOB_ID" && mv -fT -- "$gw_job/.$1.$SLURM_JOB_ID" "$gw_job/$1"; }}
gw_notice() {{ printf '%s\\n' "{token} $1 $SLURM_JOB_ID" >>"$gw_root/.gateway/notices"; }} 2>/dev/null
gw_finish() {{
    trap '' TERM INT HUP USR1 USR2 XCPU
    gw_put end "$SLURM_JOB_ID $1 $(date +%s) ${{#gw_signals}}"
    gw_notice end
    exit "$1"
}}
gw_signals= gw_child=
gw_stop() {{ gw_signals=x$gw_signals; [ -z "$gw_child" ] || kill -TERM "$gw_child" 2>/dev/null; }}

gw_root=$(cd -P -- {root} && /bin/pwd -P)
gw_job=$gw_root/{folder}
[ -n "$gw_root" ] && cd -P -- "$gw_job" && [ "$(/bin/pwd -P)" = "$gw_job" ] || {{
    gw_say "the job's folder is not there"
    exit {no_folder}
}}
ln -sT -- "$SLURM_JOB_ID" claim 2>/dev/null || [ "$(readlink -- claim)" = "$SLURM_JOB_ID" ] || {{
    gw_say "this job runs as Slurm job $(readlink -- claim) already"
    exit {claimed}
}}
rm -f -- end
trap gw_stop TERM INT HUP USR1 USR2 XCPU
gw_put started "$SLURM_JOB_ID $(date +%s)"
gw_notice start
[ "$(cd -P -- {work} && /bin/pwd -P)" = "$gw_job/{work}" ] || {{
    gw_say "the folder '{work}' is not there, or is a link"
    gw_finish {no_folder}
}}
"""

# `wait` returns early when a signal arrives, with a status that is not the container's: then it waits again.
_CLOSING = """
cd -- "$gw_job" || gw_finish {no_folder}
command -v -- {command} >/dev/null || {{
    gw_say "there is no command {command} on $(hostname)"
    gw_finish {no_container}
}}
{streams}[ -z "$gw_signals" ] || gw_finish 143
{container} {redirects} &
gw_child=$!
[ -z "$gw_signals" ] || kill -TERM "$gw_child"
while :; do
    gw_before=$gw_signals
    wait "$gw_child"
    gw_status=$?
    [ "$gw_before" != "$gw_signals" ] || gw_finish "$gw_status"
done
}}
"""


def _closing(job: ScriptInput) -> str:
    streams = redirections.opened(job.spec)
    return _CLOSING.format(
        container=_container(job), streams=streams, redirects=redirections.used(job.spec), **_names(job)
    )


def _container(job: ScriptInput) -> str:
    """The one command that starts the container; each word in which a user's text may stand begins a line.

    `env -i`, for a site's APPTAINER_BIND or SINGULARITY_BINDPATH adds mounts in spite of --containall (1.4.5).
    """
    prefix = job.runtime.environment_prefix
    passed = [*_INTO_CONTAINER, *(["CUDA_VISIBLE_DEVICES"] if job.spec.resources.gpus_per_node else [])]
    lines = [
        'env -i PATH="$PATH"',
        *(_if_set(name, name) for name in _FROM_HOST),
        *(_if_set(name, prefix + name) for name in passed),
        *(quote(f"{prefix}{variable.name}={variable.value}") for variable in job.spec.environment),
        f"{quote(job.command)} --silent {container.verb(job.spec)}",
        shlex.join(container.options(job.spec, job.network, job.runtime)),
        f'--bind "$gw_job/{WORK}:{INSIDE}"',
        quote(job.spec.image),
        *map(quote, container.program(job.spec)),
    ]
    return " \\\n    ".join(lines)


def _if_set(name: str, inside: str) -> str:
    return f'${{{name}+"{inside}=${name}"}}'
