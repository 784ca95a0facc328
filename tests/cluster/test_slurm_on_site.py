"""Slurm's commands against the real one: hostile names, ends told apart, refusals, and a controller that is away."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from gql_gateway.cluster import slurm, slurm_cluster
from gql_gateway.core.errors import ClusterTimeout, ClusterUnavailable, SubmitRefused
from gql_gateway.core.ids import new_id, slurm_name
from gql_gateway.core.states import FINAL, JobState, Observation, Source
from slurm_site import SlurmSite
from tests.cluster.slurm_user import ask, wait_for

SLEEP = "#!/bin/sh\nsleep 600\n"
IMPATIENT = "/tmp/impatient.conf"


@pytest.fixture(autouse=True, scope="module")
def _tidy(site: SlurmSite) -> Iterator[None]:
    yield
    site.run(["scancel", "--me"], user=site.username)


@pytest.fixture(scope="module")
def impatient(site: SlurmSite) -> dict[str, str]:
    """Variables by which Slurm's commands wait 2 seconds for an answer instead of ten."""
    site.run(["sh", "-c", f"(grep -v ^MessageTimeout /etc/slurm/slurm.conf; echo MessageTimeout=2) > {IMPATIENT}"])
    return {"SLURM_CONF": IMPATIENT}


def submit(site: SlurmSite, text: str = SLEEP, *options: str, job_id: str = "") -> tuple[str, str]:
    """Submit a plain script under a job's name; both ids."""
    job_id = job_id or new_id()
    argv = [*slurm.sbatch(job_id), "--mem=10", "--output=/dev/null", *options]
    return job_id, slurm.read_submission(ask(site, argv, text))


def queue(site: SlurmSite) -> dict[str, Observation]:
    return {seen.slurm_job_id: seen for seen in slurm.read_queue(ask(site, slurm.squeue()), datetime.now(UTC))}


def accounts(site: SlurmSite, *job_ids: str) -> dict[str, Observation]:
    (argv,) = slurm.sacct(job_ids, datetime.now(UTC))
    told = slurm.read_accounting(ask(site, argv), datetime.now(UTC))
    assert told is not None
    return {seen.slurm_job_id: seen for seen in told}


def running(site: SlurmSite, number: str) -> Observation:
    return wait_for(lambda: one if (one := queue(site)[number]).state is JobState.RUNNING else None)


def ended(site: SlurmSite, number: str) -> Observation:
    """How a job ended, as the queue tells it."""
    return wait_for(lambda: one if (one := queue(site)[number]).state in FINAL else None)


def end_of(site: SlurmSite, job_id: str, slurm_job_id: str) -> Observation:
    """How a job ended, as accounting tells it."""

    def final() -> Observation | None:
        seen = accounts(site, job_id).get(slurm_job_id)
        return seen if seen and seen.state in FINAL else None

    return wait_for(final)


def test_no_name_of_another_job_changes_what_is_read(site: SlurmSite) -> None:
    job_id, ours = submit(site)
    token = slurm_name(job_id)
    (row,) = [line for line in ask(site, slurm.squeue()).lines() if token in line]
    forged = row.replace("PENDING", "FAILED ").replace("RUNNING", "FAILED ")
    names = [
        f"x\n{forged}",
        f"x\n{ours}|1500|FAILED|1:0|1|1|1|{token}",
        f"\n{token}",
        f"{token}\n{forged}",
        f"{token}x",
        f"| \t\r\v\f\x1c\x1d\x85\u2028\n{forged}",
        token.upper(),
    ]
    plain = ["sbatch", "--parsable", "--mem=10", "--output=/dev/null"]
    others = [
        site.run([*plain, f"--job-name={name}"], user=site.username, input=SLEEP).stdout.strip() for name in names
    ]
    assert len(others) == len(names)

    seen = queue(site)
    assert {number for number in seen if seen[number].token == token} == {ours}
    assert not {*others} & {*seen}
    assert seen[ours].state in {JobState.QUEUED, JobState.RUNNING}
    assert {*wait_for(lambda: accounts(site, job_id) or None)} == {ours}
    assert accounts(site, job_id)[ours].state in {JobState.QUEUED, JobState.RUNNING}


def test_the_life_of_a_job(site: SlurmSite) -> None:
    job_id, held = submit(site, SLEEP, "--hold")
    seen = queue(site)[held]
    assert (seen.token, seen.state, seen.native_state) == (slurm_name(job_id), JobState.QUEUED, "PENDING")
    assert (seen.reason, seen.source) == ("Held by somebody who uses the same account.", Source.SQUEUE)
    assert seen.submitted_at is not None
    assert abs((datetime.now(UTC) - seen.submitted_at).total_seconds()) < 30
    assert seen.started_at is seen.ended_at is seen.exit_code is None

    site.run(["scontrol", "release", held])
    seen = running(site, held)
    assert seen.started_at is not None
    assert seen.ended_at is seen.exit_code is seen.reason is None

    site.run(["scontrol", "suspend", held])
    assert queue(site)[held].state is JobState.SUSPENDED
    site.run(["scontrol", "resume", held])
    slurm.read_cancel(ask(site, slurm.scancel(held)))
    assert ended(site, held).state is JobState.CANCELLED


@pytest.mark.parametrize(
    ("text", "exit_code", "signal"),
    [("#!/bin/sh\nexit 3\n", 3, None), ("#!/bin/sh\nkill -9 $$\n", None, 9), ("#!/bin/sh\nexit 143\n", 143, None)],
)
def test_how_a_job_failed(site: SlurmSite, text: str, exit_code: int | None, signal: int | None) -> None:
    job_id, number = submit(site, text)
    seen = ended(site, number)
    assert (seen.state, seen.exit_code, seen.signal) == (JobState.FAILED, exit_code, signal)
    if exit_code != 143:  # sacct cuts it to 15, up to 24.11
        accounted = end_of(site, job_id, number)
        assert (accounted.state, accounted.exit_code, accounted.signal) == (JobState.FAILED, exit_code, signal)


def test_an_output_file_that_cannot_be_opened_is_told(site: SlurmSite) -> None:
    job_id, number = submit(site, SLEEP, "--output=/nowhere/out")
    seen = ended(site, number)
    assert seen.reason == "Slurm could not open the job's output file or enter its folder."
    assert (seen.exit_code, seen.signal) == (None, None)
    assert end_of(site, job_id, number).reason == seen.reason


def test_an_administrators_cancel_is_told_from_our_own(site: SlurmSite) -> None:
    job_id, number = submit(site)
    running(site, number)
    site.run(["scancel", number])
    seen = end_of(site, job_id, number)
    assert (seen.state, seen.native_state) == (JobState.CANCELLED, "CANCELLED")
    assert seen.reason == "Cancelled on the cluster by an administrator (user id 0)."


def test_accounting_knows_a_job_that_was_cancelled_while_it_was_held(site: SlurmSite) -> None:
    job_id, number = submit(site, SLEEP, "--hold")
    ask(site, slurm.scancel(number))
    seen = end_of(site, job_id, number)
    assert (seen.state, seen.started_at, seen.reason) == (JobState.CANCELLED, None, None)


def test_a_job_is_found_by_its_name(site: SlurmSite) -> None:
    job_id, number = submit(site)
    submit(site)
    told = slurm.read_queue(ask(site, slurm.squeue_by_name(job_id)), datetime.now(UTC))
    assert [seen.slurm_job_id for seen in told] == [number]
    assert slurm.read_queue(ask(site, slurm.squeue_by_name(new_id())), datetime.now(UTC)) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--partition=nowhere"], "Invalid partition name specified"),
        (["--partition=short", "--time=120"], "Requested time limit is invalid"),
        (["--mem=900000M"], "Requested node configuration is not available"),
        (["--nodes=99"], "More processors requested than permitted"),
        (["--gres=gpu:9"], "Requested node configuration is not available"),
        (["--time=soon"], "Invalid --time specification"),
    ],
)
def test_a_job_that_cannot_be_is_refused_in_slurms_words(site: SlurmSite, options: list[str], words: str) -> None:
    with pytest.raises(SubmitRefused) as caught:
        submit(site, SLEEP, *options)
    assert words in str(caught.value.problems[0].detail)


def test_a_script_that_is_none_is_refused(site: SlurmSite) -> None:
    with pytest.raises(SubmitRefused):
        submit(site, "")


def test_a_frozen_controller_may_have_taken_the_job(site: SlurmSite, impatient: dict[str, str]) -> None:
    job_id = new_id()
    site.freeze("slurmctld")
    try:
        with pytest.raises(ClusterTimeout):
            slurm.read_submission(ask(site, [*slurm.sbatch(job_id), "--hold"], SLEEP, **impatient))
        with pytest.raises(ClusterUnavailable):
            slurm.read_cancel(ask(site, slurm.scancel("1"), **impatient))
    finally:
        site.thaw("slurmctld")
    found = wait_for(lambda: slurm.read_queue(ask(site, slurm.squeue_by_name(job_id)), datetime.now(UTC)) or None)
    assert len(found) == 1


def test_without_a_controller_nothing_is_submitted(site: SlurmSite, impatient: dict[str, str]) -> None:
    job_id = new_id()
    site.stop("slurmctld")
    try:
        with pytest.raises(ClusterUnavailable):
            slurm.read_submission(ask(site, slurm.sbatch(job_id), SLEEP, **impatient))
        with pytest.raises(ClusterUnavailable):
            slurm_cluster.read_partitions(ask(site, slurm_cluster.sinfo(), **impatient))
    finally:
        site.start("slurmctld")
        site.wait_ready()
    assert slurm.read_queue(ask(site, slurm.squeue_by_name(job_id)), datetime.now(UTC)) == []


def test_without_munge_nothing_is_submitted(site: SlurmSite, impatient: dict[str, str]) -> None:
    site.stop("munged")
    try:
        with pytest.raises(ClusterUnavailable, match="takes no jobs"):
            slurm.read_submission(ask(site, slurm.sbatch(new_id()), SLEEP, **impatient))
    finally:
        site.start("munged")
        site.wait_ready()


def test_an_unreachable_database_is_not_an_empty_one(site: SlurmSite) -> None:
    site.stop("slurmdbd")
    try:
        with pytest.raises(ClusterUnavailable):
            accounts(site, new_id())
    finally:
        site.start("slurmdbd")
        site.wait_ready()
    assert accounts(site, new_id()) == {}


def test_the_cluster_tells_of_itself(site: SlurmSite) -> None:
    slurm_cluster.read_ping(ask(site, slurm_cluster.ping()))
    version = slurm_cluster.read_version(ask(site, slurm_cluster.version()))
    settings = slurm_cluster.read_config(ask(site, slurm_cluster.config()))
    assert settings["SLURM_VERSION"] == version
    assert settings["MinJobAge"] == "300 sec"

    partitions = {one.name: one for one in slurm_cluster.read_partitions(ask(site, slurm_cluster.sinfo()))}
    assert [one.name for one in partitions.values() if one.is_default] == ["debug"]
    assert [partitions[name].time_limit_seconds for name in ("debug", "short", "long")] == [3600, 120, None]
    debug = partitions["debug"]
    assert (debug.state, debug.nodes, debug.cpus) == ("up", 4, 32)
    assert 0 <= debug.idle_nodes <= debug.nodes
    assert 0 <= debug.idle_cpus <= debug.cpus
