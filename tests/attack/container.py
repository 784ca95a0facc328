"""From inside a real job: everything outside its own folder that a program with the job's rights could want.

Each probe is a line of shell that prints `GOT` where it succeeds. They run under the site's real container command, as
the account that also owns every other user's files, so nothing but the container is in the way.
"""

import re
import shlex
from pathlib import Path
from typing import Any

from demo.gateway import GatewayProcess
from tests.attack.tally import Tally
from tests.attack.world import World
from tests.client import Client

HOME = "/home/hpcgw"


def probes(world: World) -> dict[str, str]:
    """What is tried, by name."""
    victims, root = world.victims_job["folder"], world.site.root
    outside = [
        f"{victims}/work/x", f"{victims}/run.sh", f"{root}/.gateway/notices", f"{HOME}/.ssh/authorized_keys",
        "/etc/slurm/slurm.conf", "/etc/munge/munge.key", "/run/munge/munge.socket.2", "/etc/ssh/sshd_config",
        "/etc/shadow", "/scratch", "/home/hpcgw", "/var/spool/slurmd", "/usr/bin/sbatch", "/usr/bin/munge",
        "/proc/1/root/scratch", "/proc/self/root/scratch", "/sys/kernel", "/dev/fuse", "/dev/kmsg", "/dev/sda",
    ]  # fmt: skip
    written = [
        "../canary", "/canary", f"{root}/canary", f"{victims}/work/canary", f"{root}/.gateway/notices", "../run.sh",
        "../end", "../claim", "../started", f"{HOME}/.ssh/authorized_keys", "/usr/canary", "/etc/canary",
        "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/self/oom_score_adj.canary", "/sys/canary",
    ]  # fmt: skip
    return {
        **{f"read {path}": f"ls -d {path} && echo GOT" for path in outside},
        **{f"write {path}": f"echo forged > {path} && echo GOT" for path in written},
        **{f"link {path}": f"ln {path} /job/twin && echo GOT" for path in (f"{victims}/work/x", "/proc/1/exe")},
        "records": "cat ../end ../started ../claim ../slurm-*.out && echo GOT",
        "climb": "cd /job/../..; ls | grep -q -e run.sh -e scratch && echo GOT",
        "host processes": "ls /proc | grep -c '^[0-9]' | grep -q '^...' && echo GOT",
        "slurm's daemons": "grep -l -a -e slurm -e sshd -e munged /proc/[0-9]*/comm && echo GOT",
        "foreign environment": "cat /proc/[0-9]*/environ | tr '\\0' '\\n' | "
        "grep -e ^MUNGE -e ^SLURM_CONF -e ^SSH_ -e ^GQL_ -e ^SLURMD -e ^SLURM_JWT && echo GOT",
        "submit": "sbatch --wrap=true && echo GOT",
        "cancel": "scancel --me && echo GOT",
        "credential": "munge -n && echo GOT",
        "more rights": "grep -E '^Cap(Eff|Prm|Bnd):' /proc/self/status | grep -v 0000000000000000 && echo GOT",
        "new rights allowed": "grep -q 'NoNewPrivs:.0' /proc/self/status && echo GOT",
        "mount the host": "mount -t proc proc /tmp && echo GOT",
        "mount by a new namespace": "unshare -Ur sh -c 'mkdir /tmp/m; mount --bind / /tmp/m; ls /tmp/m/scratch' "
        "&& echo GOT",
        "processes by a new namespace": "unshare -Urpf sh -c 'mount -t proc p /tmp && grep -l slurm /tmp/*/comm' "
        "&& echo GOT",
        "leave the root": "chroot /proc/1/cwd/../../.. ls /scratch && echo GOT",
        "device": "mknod /job/disk b 8 0 && cat /job/disk && echo GOT",
        "root's file": "touch /job/suid && chmod 6755 /job/suid && chown 0:0 /job/suid && echo GOT",
        "other jobs' memory": "cat /dev/shm/mine && echo GOT",
        "other jobs' tmp": "ls /tmp /var/tmp | grep mine && echo GOT",
        "message queues": "ls /dev/mqueue | grep . && echo GOT",
    }


def attack(world: World, tally: Tally) -> None:
    """Run every probe in one job, and look at the host afterwards."""
    witness = world.attacker.create_job("echo mine > /dev/shm/mine; echo mine > /tmp/mine; sleep 600")
    world.attacker.launch(witness["id"])
    tried = probes(world)
    lines = [f"echo 'probe {number}'; ( {line} ) 2>&1" for number, line in enumerate(tried.values())]
    job = world.attacker.create_job("touch beside; " + "\n".join([*lines, "true"]), name="probes")
    world.attacker.launch(job["id"])
    job = world.attacker.wait_final(job["id"], 120)
    said = re.split(r"^probe \d+\n", world.attacker.output(job), flags=re.MULTILINE)[1:]
    tally.hold("the probes ran", len(said) == len(tried), job)
    for name, words in zip(tried, said, strict=False):
        tally.hold("from inside", "GOT" not in words.split(), f"{name}: {words}")
    look_at_host(world, tally, job)
    world.attacker.cancel(witness["id"])
    network(world, tally)


def look_at_host(world: World, tally: Tally, job: Any) -> None:
    """What the job may not have changed."""
    folder = world.on_host(job["folder"])
    tally.hold("run.sh unchanged", (folder / "run.sh").read_text() == job["script"])
    records = (folder / "end").read_text(), (folder / "claim").readlink().name
    tally.hold("records unchanged", records[0].split()[0] == records[1] == job["slurmJobId"], records)
    found = world.site.run(["find", "/scratch", "/home", "/etc", "/tmp", "-name", "canary"]).stdout
    tally.hold("no canary", not found, found)
    notices = Path(f"{world.on_host(world.site.root)}/.gateway/notices").read_text()
    tally.hold("notices unchanged", "forged" not in notices, notices)


def network(world: World, tally: Tally) -> None:
    """A cluster set to `network = "none"`: no interface but the container's own loopback."""
    folder = world.folder / "no-network"
    folder.mkdir(exist_ok=True)
    line = shlex.quote(f"nc -w 2 127.0.0.1 {world.site.port} </dev/null | grep SSH && echo GOT")
    with (
        GatewayProcess(world.site, folder, cluster='network = "none"\npoll_seconds = 2') as gateway,
        Client.of(gateway, "alone@example.org") as client,
    ):
        client.create_user()
        job = client.run(f"sh -c {line}; cat /proc/net/dev")
        said = client.output(job)
    tally.hold("network none", "GOT" not in said and "eth" not in said and "lo:" in said, said)
