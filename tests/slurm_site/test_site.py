"""The real site: jobs run on it, its daemons obey, and nothing of it outlives its owner."""

import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncssh
import pytest

from slurm_site import SiteError, SiteOptions, SlurmSite, instances
from slurm_site.host import memory_controller

TOO_MUCH = """python3 -c 'import time; block = b"x" * 300_000_000; time.sleep(60)'"""


@pytest.fixture(scope="module")
def own() -> Iterator[SlurmSite]:
    """A site to be rough with."""
    with SlurmSite(SiteOptions()) as booted:
        yield booted


def until(reached: Callable[[], bool], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, "not reached in time"
        time.sleep(0.02)


def submit(site: SlurmSite, script: str, *options: str) -> str:
    argv = ["sbatch", "--parsable", f"--output={site.root}/%j.out", *options]
    return site.run(argv, user=site.username, input=f"#!/bin/sh\n{script}\n").stdout.strip()


def state(site: SlurmSite, job: str) -> str:
    return site.run(["squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%T"]).stdout.strip()


@asynccontextmanager
async def connect(site: SlurmSite, user: str = SlurmSite.username) -> AsyncIterator[asyncssh.SSHClientConnection]:
    async with asyncssh.connect(
        site.host,
        site.port,
        username=user,
        client_keys=[str(site.private_key)],
        known_hosts=str(site.known_hosts),
        agent_path=None,
        config=None,
    ) as connection:
        yield connection


def test_a_job_runs_in_a_container(site: SlurmSite) -> None:
    command = f"singularity --silent exec --containall {site.image} /bin/sh -c 'echo in $SINGULARITY_NAME'"
    job = submit(site, command)
    until(lambda: state(site, job) == "COMPLETED")
    assert (site.rootfs / f"scratch/hpcgw/{job}.out").read_text() == "in busybox.sif\n"
    until(lambda: "COMPLETED" in site.run(["sacct", "-X", "-n", "-j", job, "-o", "State"]).stdout)


@pytest.mark.parametrize(
    ("image", "output"),
    [("entry", "entry point of entry.sif\nargument: a b\n"), ("noshell", "entry point of noshell.sif: ")],
)
def test_images_have_entry_points(site: SlurmSite, image: str, output: str) -> None:
    argv = ["apptainer", "--silent", "run", "--containall", f"/opt/img/{image}.sif", "a b"]
    assert site.run(argv, user=site.username).stdout.startswith(output)


def test_beyond_a_partitions_limit_is_refused(site: SlurmSite) -> None:
    refused = site.run(["sbatch", "--partition=short", "--time=3", "--wrap=true"], user=site.username, check=False)
    assert refused.returncode == 1
    assert "Requested time limit is invalid" in refused.stderr


def test_gpus_are_counted(site: SlurmSite) -> None:
    job = submit(site, "echo $CUDA_VISIBLE_DEVICES", "--gres=gpu:2")
    until(lambda: state(site, job) == "COMPLETED")
    assert (site.rootfs / f"scratch/hpcgw/{job}.out").read_text() == "0,1\n"


@pytest.mark.parametrize("user", ["hpcgw", "alice", "bob"])
async def test_each_account_takes_the_key(site: SlurmSite, user: str) -> None:
    async with connect(site, user) as connection:
        result = await connection.run("id -un && stat -c '%U %a' /scratch/$USER")
    assert result.stdout == f"{user}\n{user} 700\n"


def test_run_says_what_went_wrong_and_ends_what_hangs(site: SlurmSite) -> None:
    with pytest.raises(subprocess.CalledProcessError) as failure:
        site.run(["ls", "/nowhere"])
    assert "/nowhere" in failure.value.stderr
    with pytest.raises(subprocess.TimeoutExpired):
        site.run(["sleep", "30"], timeout=0.1)
    assert "sleep 30" not in site.run(["ps", "ax"]).stdout


async def test_cut_sessions_end_and_new_ones_begin(own: SlurmSite) -> None:
    async with connect(own) as connection:
        own.kill_ssh_sessions()
        await connection.wait_closed()
    async with connect(own) as connection:
        assert (await connection.run("echo again")).stdout == "again\n"


async def test_stopped_sshd_keeps_its_sessions_unless_told_to_drop_them(own: SlurmSite) -> None:
    async with connect(own) as connection:
        own.stop("sshd")
        assert (await connection.run("echo still")).stdout == "still\n"
        with socket.socket() as probe:
            assert probe.connect_ex((own.host, own.port)) != 0
        own.start("sshd")
        own.stop("sshd", sessions=True)
        await connection.wait_closed()
    own.start("sshd")


def test_a_frozen_slurmctld_thaws(own: SlurmSite) -> None:
    own.freeze("slurmctld")
    with pytest.raises(subprocess.TimeoutExpired):
        own.run(["sinfo"], timeout=0.5)
    own.thaw("slurmctld")
    own.wait_ready()


@pytest.mark.parametrize("daemon", ["slurmctld", "slurmdbd", "mariadbd", "munged", "slurmd:c1"])
def test_a_stopped_daemon_starts_again(own: SlurmSite, daemon: str) -> None:
    own.stop(daemon)
    own.start(daemon)
    own.wait_ready()


def test_a_daemon_that_dies_is_named_with_its_last_words(own: SlurmSite) -> None:
    own.run(["pkill", "--signal", "KILL", "--exact", "slurmdbd"])
    with pytest.raises(SiteError, match="slurmdbd ended with status -9"):
        own.wait_ready()
    own.start("slurmdbd")
    own.wait_ready()


def test_sites_side_by_side_are_strangers(site: SlurmSite, own: SlurmSite) -> None:
    assert own.port != site.port
    job = submit(own, "true", "--hold", "--job-name=strange")
    assert "strange" not in site.run(["squeue", "--noheader", "--format=%j"]).stdout
    own.run(["scancel", job])


def test_another_kind_of_site() -> None:
    options = SiteOptions(
        accounting=False,
        banner=True,
        locale="de_DE.UTF-8",
        scratch_size="16M",
        enforce_part_limits=False,
        max_sessions=3,
    )
    with SlurmSite(options) as site:
        assert "disabled" in site.run(["sacct"], check=False).stderr
        assert site.run(["stat", "--file-system", "--format=%T", "/scratch"]).stdout == "tmpfs\n"
        job = submit(site, "true", "--time=100")
        reason = ["squeue", "--noheader", f"--jobs={job}", "--format=%r"]
        until(lambda: site.run(reason).stdout == "PartitionTimeLimit\n")


@pytest.mark.skipif(memory_controller() is None, reason="this machine has no memory controller of cgroup v1")
def test_the_kernel_ends_what_takes_too_much_memory() -> None:
    with SlurmSite(SiteOptions(memory_cgroups=True)) as site:
        job = submit(site, TOO_MUCH, "--mem=50M")
        until(lambda: state(site, job) == "OUT_OF_MEMORY")


def test_without_cgroups_slurm_ends_it(own: SlurmSite) -> None:
    job = submit(own, TOO_MUCH, "--mem=50M")
    until(lambda: state(own, job) == "FAILED")
    assert "exceeded memory limit" in (own.rootfs / f"scratch/hpcgw/{job}.out").read_text()


def test_nothing_outlives_a_killed_owner() -> None:
    program = (
        "from slurm_site import SlurmSite\nsite = SlurmSite()\nprint(site.pid, site.private_key, flush=True)\ninput()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path.cwd()
    ) as owner:
        assert owner.stdout is not None
        pid, key = owner.stdout.readline().split()
        namespace = str(Path(f"/proc/{pid}/ns/pid").readlink())
        secret = Path(key).read_text()
        owner.send_signal(signal.SIGKILL)
    until(lambda: namespace not in namespaces())
    until(lambda: is_cleared_away(Path(key), secret))


def is_cleared_away(key: Path, secret: str) -> bool:
    """Whether whoever claims a place finds the dead site's free, and removes what it left; then it may be another's.

    It is free when unshare has ended too, which is outside of the namespaces and holds the lock a moment longer.
    """
    instances.claim().release()
    try:
        return key.read_text() != secret
    except FileNotFoundError:
        return True


def namespaces() -> set[str]:
    found = set()
    for link in Path("/proc").glob("[0-9]*/ns/pid"):
        try:
            found.add(str(link.readlink()))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def test_check_says_that_this_machine_can_host_it() -> None:
    check = subprocess.run([sys.executable, "-m", "slurm_site", "check"], capture_output=True, text=True, check=False)
    assert check.returncode == 0, check.stdout
    assert check.stdout.startswith("this machine can host the site")
