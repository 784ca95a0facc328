"""Slurm's answers: what was recorded from 22.05, 24.11 and 26.05 is understood, and no job name forges a row."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gql_gateway.cluster import slurm, slurm_cluster
from gql_gateway.cluster.slurm import Answer
from gql_gateway.core.errors import ClusterTimeout, ClusterUnavailable, GatewayError, SubmitRefused
from gql_gateway.core.ids import made_at, new_id, slurm_name
from gql_gateway.core.states import JobState, Observation, Source

NOW = datetime(2026, 11, 23, 6, 42, tzinfo=UTC)
OURS = "gw-01a20721fa525ed30fc429b005e537c7"
OTHER = "gw-01a20722f46da8b0050050019de49de0"


def said(stdout: str, stderr: str = "", exit_code: int = 0) -> Answer:
    return Answer(exit_code, stdout, stderr)


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


# --- squeue ---------------------------------------------------------------------------------------------------------

# As 24.11.5 and 26.05.5 print them.
RECORDED = f"""\
11          CANCELLED           0:0         1795416160  1795416165  1795416165  JobHeldUser                                 {OURS} 
4           FAILED              143:0       1795416160  1795416160  1795416161  NonZeroExitCode                             {OURS} 
7           FAILED              0:9         1795416160  1795416160  1795416161  RaisedSignal:9(Killed)                      {OURS} 
10          FAILED              0:53        1795416160  1795416160  1795416161  RaisedSignal:53(Real-time signal 19)        {OURS} 
16          PENDING             0:0         1795416160  N/A         N/A         JobHeldUser                                 {OURS} 
17          PENDING             0:0         1795416160  1795416600  1795417200  Resources                                   {OURS} 
9           RUNNING             0:0         1795416160  1795416160  1795416760  None                                        {OURS} 
"""  # noqa: E501, W291 - word for word; the last column is filled up too


def test_recorded_rows_are_understood() -> None:
    held, exited, killed, unwritable, pending, expected, running = slurm.read_queue(said(RECORDED), NOW)

    assert (held.state, held.started_at, held.ended_at) == (JobState.CANCELLED, None, at(1795416165))
    assert (exited.exit_code, exited.signal) == (143, None)
    assert exited.reason == "The job ended with exit code 143, as by signal 15 (SIGTERM)."
    assert (killed.exit_code, killed.signal, killed.reason) == (None, 9, "The job was ended by signal 9 (SIGKILL).")
    assert (unwritable.exit_code, unwritable.signal) == (None, None)
    assert unwritable.reason == "Slurm could not open the job's output file or enter its folder."
    assert (pending.state, pending.reason) == (JobState.QUEUED, "Held by somebody who uses the same account.")
    assert (expected.expected_start_at, expected.started_at) == (at(1795416600), None)
    assert running == Observation(
        token=OURS,
        slurm_job_id="9",
        state=JobState.RUNNING,
        native_state="RUNNING",
        source=Source.SQUEUE,
        observed_at=NOW,
        submitted_at=at(1795416160),
        started_at=at(1795416160),
    )


def test_the_wait_status_that_22_05_prints_is_understood() -> None:
    rows = RECORDED.replace("143:0", "36608").replace("0:9  ", "9    ").replace("0:53", "4021").replace("0:0", "0  ")
    assert [(one.exit_code, one.signal, one.reason) for one in slurm.read_queue(said(rows), NOW)] == [
        (one.exit_code, one.signal, one.reason) for one in slurm.read_queue(said(RECORDED), NOW)
    ]


def printed(number: int, state: str, name: bytes) -> bytes:
    """A row as squeue prints it: columns filled up, the name cut to its column."""
    head = f"{number:<12}{state:<20}{'0:0':<12}{1795416160:<12}{1795416160:<12}{'N/A':<12}{'None':<44}"
    return head.encode() + name[:36].ljust(36) + b"\n"


def test_the_model_of_a_row_is_the_recorded_row() -> None:
    row = printed(9, "RUNNING", OURS.encode()).decode()
    assert row.replace("N/A       ", "1795416760") == RECORDED.splitlines(keepends=True)[-1]


FORGED = st.sampled_from(
    [
        b"\n" + printed(1, "FAILED", OURS.encode()),
        b"\n" + OURS.encode(),
        OURS.encode() + b"\n" + printed(1, "FAILED", OURS.encode()),
        OURS.encode() + b"x",
        b"\n1           FAILED",
        b"|\n1|FAILED|" + OURS.encode(),
        b"\r\x0b\x0c\x1c\x1d\x1e\xc2\x85\xe2\x80\xa8",
        b"\xff\xfe\xc3",
    ]
)
NAMES = st.lists(st.binary(max_size=60) | FORGED | st.just(b"\n"), max_size=5).map(b"".join)


@given(st.lists(NAMES, max_size=6))
@example([b"\n" + printed(1, "FAILED", OURS.encode())])
def test_no_name_changes_or_hides_another_jobs_row(names: list[bytes]) -> None:
    foreign = [printed(100 + number, "RUNNING", name) for number, name in enumerate(names)]
    output = b"".join([*foreign[::2], printed(1, "RUNNING", OURS.encode()), *foreign[1::2]])
    seen = slurm.read_queue(said(output.decode(errors="replace")), NOW)
    assert [(one.token, one.state) for one in seen if one.slurm_job_id == "1"] == [(OURS, JobState.RUNNING)]
    assert {one.slurm_job_id for one in seen} <= {"1", *(str(100 + number) for number in range(len(names)))}


@given(st.text())
def test_any_text_is_an_answer_or_none(text: str) -> None:
    if text and not text.endswith("\n"):
        with pytest.raises(ClusterUnavailable):
            slurm.read_queue(said(text), NOW)
    else:
        assert slurm.read_queue(said(text), NOW) == []


@pytest.mark.parametrize(
    "stderr",
    [
        "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n",
        "slurm_load_jobs error: Socket timed out on send/recv operation\n",
        "",
    ],
)
def test_a_failed_question_is_not_an_empty_queue(stderr: str) -> None:
    with pytest.raises(ClusterUnavailable):
        slurm.read_queue(said("", stderr, 1), NOW)


def test_an_empty_queue_is_one() -> None:
    assert slurm.read_queue(said(""), NOW) == []


def test_a_state_without_a_meaning_tells_only_that_the_job_is_listed() -> None:
    (seen,) = slurm.read_queue(said(printed(1, "LEVITATING", OURS.encode()).decode()), NOW)
    assert (seen.known, seen.native_state, seen.reason, seen.ended_at) == (False, "LEVITATING", None, None)


# --- sacct ----------------------------------------------------------------------------------------------------------


def test_accounts_are_understood() -> None:
    output = f"""\
3|1500|CANCELLED by 0|0:15|1795416160|1795416160|1795416239|{OURS}
4|1500|CANCELLED by 1500|0:0|1795416160|None|1795416239|{OURS}
5|1500|TIMEOUT|0:0|1795416160|1795416160|1795416239|{OURS}
6|1500|OUT_OF_MEMORY|0:125|1795416160|1795416160|1795416239|{OURS}
7|1500|COMPLETED|0:0|1795416160|1795416160|1795416239|{OTHER}
8|1500|RUNNING|0:0|1795416160|1795416160|Unknown|{OTHER}
11|1500|RUNNING|0:0|1795416160|1795416160|Unknown|{OURS} 
13|1500|RUNNING|0:0|1795416160|1795416160|Unknown|{OURS.upper()}
"""  # noqa: W291 - a name that ends in a space
    seen = slurm.read_accounting(said(output), NOW)
    assert seen is not None
    admin, own, late, greedy, good, running = seen

    assert (admin.state, admin.native_state, admin.signal) == (JobState.CANCELLED, "CANCELLED", 15)
    assert admin.reason == "Cancelled on the cluster by an administrator (user id 0)."
    assert (own.state, own.reason, own.started_at) == (JobState.CANCELLED, None, None)
    assert (late.state, late.exit_code, late.reason) == (JobState.TIMED_OUT, None, "The time limit was reached.")
    assert (greedy.state, greedy.signal) == (JobState.OUT_OF_MEMORY, None)
    assert (good.state, good.exit_code, good.ended_at) == (JobState.COMPLETED, 0, at(1795416239))
    assert (running.state, running.ended_at, running.source) == (JobState.RUNNING, None, Source.SACCT)


def test_no_accounting_is_told_from_accounting_that_is_away() -> None:
    assert slurm.read_accounting(said("", "Slurm accounting storage is disabled\n", 1), NOW) is None
    with pytest.raises(ClusterUnavailable) as caught:
        slurm.read_accounting(said("", "sacct: error: Problem talking to the database: Connection refused\n", 1), NOW)
    assert "Connection refused" in str(caught.value.problems[0].detail)


@given(st.text(), st.text(alphabet="0123456789|:RUNIG gw-abcdef\n"))
def test_any_accounts_are_read_without_an_error(some: str, more: str) -> None:
    slurm.read_accounting(said(some + more), NOW)


def test_sacct_asks_for_each_job_once_and_since_before_it_was_made() -> None:
    ids = [new_id() for _ in range(250)]
    commands = slurm.sacct(ids, datetime.now(UTC))
    asked = [option.removeprefix("--name=") for argv in commands for option in argv if option.startswith("--name=")]
    assert [name for names in asked for name in names.split(",")] == [slurm_name(job_id) for job_id in ids]
    assert len(commands) == 3
    assert slurm.sacct([], datetime.now(UTC)) == []


@pytest.mark.parametrize(("days", "since"), [(0, 2), (10.5, 12), (-0.5, 2), (400, 402), (-40, 92)])
def test_sacct_counts_from_the_clusters_present_and_far_back_where_the_clock_was_set_back(
    days: float, since: int
) -> None:
    made = new_id()
    (argv,) = slurm.sacct([made], made_at(made) + timedelta(days=days))
    assert f"--starttime=now-{since}days" in argv


# --- sbatch ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stdout", ["17\n", "17;cluster\n", "a site's greeting\n17\n\n"])
def test_a_submitted_job_has_its_id(stdout: str) -> None:
    assert slurm.read_submission(said(stdout, "sbatch: a site's advice\n")) == "17"


FAILED = "sbatch: error: Batch job submission failed: "


@pytest.mark.parametrize(
    ("stderr", "meaning"),
    [
        (FAILED + "Invalid partition name specified", SubmitRefused),
        (FAILED + "Requested time limit is invalid (missing or exceeds some limit)", SubmitRefused),
        (
            FAILED + "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)",
            SubmitRefused,
        ),
        ("sbatch: error: Connection timed out? Ask us.\n" + FAILED + "Unspecified error", SubmitRefused),
        ("sbatch: error: Invalid --mem specification", SubmitRefused),
        ("sbatch: unrecognized option '--bogus'\nTry \"sbatch --help\" for more information", SubmitRefused),
        ("sbatch: error: Batch script is empty!", SubmitRefused),
        (FAILED + "Unable to contact slurm controller (connect failure)", ClusterUnavailable),
        (FAILED + "Resource temporarily unavailable", ClusterUnavailable),
        (FAILED + "Unable to create job record, try again", ClusterUnavailable),
        (FAILED + "MaxJobCount limit reached", ClusterUnavailable),
        (
            "sbatch: error: cannot stat file /nope\nsbatch: fatal: Unable to process configuration file",
            ClusterUnavailable,
        ),
        ('sbatch: error: Munge encode failed: Failed to access "/run/munge/munge.socket.2"', ClusterUnavailable),
        (
            "sbatch: error: slurm_send_node_msg: auth_g_create: REQUEST_SUBMIT_BATCH_JOB has authentication error\n"
            + FAILED
            + "Protocol authentication error",
            ClusterUnavailable,
        ),
        (FAILED + "Socket timed out on send/recv operation", ClusterTimeout),
        (FAILED + "Unable to contact slurm controller (receive failure)", ClusterTimeout),
        (FAILED + "Zero Bytes were transmitted or received", ClusterTimeout),
        (FAILED + "Connection reset by peer", ClusterTimeout),
        (FAILED + "Protocol authentication error", ClusterTimeout),
        ("Killed", ClusterTimeout),
        ("", ClusterTimeout),
    ],
)
def test_why_sbatch_failed(stderr: str, meaning: type[GatewayError]) -> None:
    with pytest.raises(meaning):
        slurm.read_submission(said("", stderr + "\n", 1))


def test_a_refusal_is_in_slurms_words() -> None:
    stderr = f"sbatch: error: invalid partition specified: nope\n{FAILED}Invalid partition name specified\n"
    with pytest.raises(SubmitRefused) as caught:
        slurm.read_submission(said("", stderr, 1))
    assert caught.value.problems[0].detail == "invalid partition specified: nope\nInvalid partition name specified"


@pytest.mark.parametrize(("stdout", "exit_code"), [("", 0), ("17 18\n", 0), ("17\n", -9)])
def test_an_answer_that_makes_no_sense_is_an_unknown_outcome(stdout: str, exit_code: int) -> None:
    with pytest.raises(ClusterTimeout):
        slurm.read_submission(said(stdout, "", exit_code))


@given(st.text(), st.text(), st.integers(-15, 255))
def test_nothing_but_an_id_is_a_success(stdout: str, stderr: str, exit_code: int) -> None:
    try:
        assert slurm.read_submission(said(stdout, stderr, exit_code)).isascii()
    except (SubmitRefused, ClusterUnavailable, ClusterTimeout):
        return
    assert exit_code == 0


# --- the cluster ----------------------------------------------------------------------------------------------------


def test_partitions_are_understood() -> None:
    output = (
        "debug*|up|1:00:00|1/3/0/4|5/27/0/32\nshort|drain|2:00|0/0/4/4|0/0/32/32\nlong|up|infinite|0/4/0/4|0/32/0/32\n"
    )
    debug, short, long = slurm_cluster.read_partitions(said(output))
    assert debug == slurm_cluster.PartitionInfo(
        "debug", is_default=True, state="up", time_limit_seconds=3600, nodes=4, idle_nodes=3, cpus=32, idle_cpus=27
    )
    assert (short.is_default, short.state, short.time_limit_seconds, short.idle_nodes) == (False, "drain", 120, 0)
    assert long.time_limit_seconds is None


def test_a_long_limit_has_days() -> None:
    (long,) = slurm_cluster.read_partitions(said("long|up|14-02:00:30|0/4/0/4|0/32/0/32\n"))
    assert long.time_limit_seconds == (14 * 24 + 2) * 3600 + 30


def test_versions_are_understood() -> None:
    assert slurm_cluster.read_version(said("slurm-wlm 24.11.5\n")) == "24.11.5"
    assert slurm_cluster.read_version(said("slurm 23.02.7-1\n")) == "23.02.7-1"
    with pytest.raises(ClusterUnavailable):
        slurm_cluster.read_version(said("bash: scontrol: command not found\n", exit_code=127))


def test_a_controller_is_up_where_one_of_several_is() -> None:
    slurm_cluster.read_ping(said("Slurmctld(primary) at a is DOWN\nSlurmctld(backup) at b is UP\n"))
    with pytest.raises(ClusterUnavailable):
        slurm_cluster.read_ping(said("Slurmctld(primary) at login is DOWN\n", exit_code=1))


def test_settings_are_read() -> None:
    settings = slurm_cluster.read_config(said("Configuration data as of 2026\nMinJobAge               = 300 sec\n"))
    assert settings == {"MinJobAge": "300 sec"}
