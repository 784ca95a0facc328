"""Files of the job's folder as a container's standard streams, for images without a shell. Pure.

The host's shell never opens a name in the folder that the container can write. What is read is copied out first, by
dd, which follows no link. What is written is opened outside and then renamed into the folder: a rename replaces what
stands there, a link too, and the open file goes on being written to wherever it has gone. (A host-side `> output`
followed a planted link and overwrote another job's file, Slurm 26.05.)
"""

from gql_gateway.core.paths import WORK
from gql_gateway.core.spec import JobSpec

NO_FILE = 95

# nonblock: a FIFO does not hang the node, it reads as empty.
_READ = """\
rm -f -- .stdin
dd iflag=nofollow,nonblock bs=1M status=none if={work}/{name} of=.stdin && exec 4<.stdin && rm -- .stdin || {{
    gw_say "the input {name} is not there, or is no file"
    gw_finish {code}
}}
"""
_WRITE = """\
rm -f -- .{stream}
exec {number}>.{stream} && mv -fT -- .{stream} {work}/{name} || {{
    gw_say "{name} cannot be written"
    gw_finish {code}
}}
"""


def opened(spec: JobSpec) -> str:
    """Lines that open what the spec names as descriptors 3 to 5; run in the job's folder, outside of work/."""
    lines = _READ.format(work=WORK, name=spec.stdin, code=NO_FILE) if spec.stdin else ""
    if spec.stdout:
        lines += _WRITE.format(work=WORK, name=spec.stdout, stream="stdout", number=3, code=NO_FILE)
    if spec.stderr and spec.stderr != spec.stdout:
        lines += _WRITE.format(work=WORK, name=spec.stderr, stream="stderr", number=5, code=NO_FILE)
    return lines


def used(spec: JobSpec) -> str:
    """What connects the container's streams with them; none of the descriptors themselves gets into it."""
    words = ["<&4 4<&-" if spec.stdin else "</dev/null"]
    if spec.stderr:
        words.append("2>&3" if spec.stderr == spec.stdout else "2>&5 5>&-")
    if spec.stdout:
        words.append(">&3 3>&-")
    return " ".join(words)
