"""The user's day on the real site: each way to run, each end, each kind of cancel."""

import time

import pytest

from demo.gateway import GatewayProcess
from slurm_site import SlurmSite
from tests.client import JOB, Client


def test_heartbeat_needs_no_user(gateway: GatewayProcess) -> None:
    with Client(gateway.url, None) as nobody:
        beat = nobody.ask("{ heartbeat { ok version time clusters { name available message } } }")["heartbeat"]
    assert beat["ok"]
    assert beat["clusters"] == [{"name": "local", "available": True, "message": None}]


def test_create_user_again_is_the_same_user_with_a_folder_of_its_own(
    alice: Client, bob: Client, site: SlurmSite
) -> None:
    user = alice.create_user()
    assert user == alice.create_user()
    assert user["folder"] == f"{site.root}/alice"
    assert bob.create_user()["folder"] == f"{site.root}/bob"
    assert site.run(["stat", "-c", "%F %a %U", user["folder"]]).stdout.strip() == f"directory 700 {site.username}"


def test_a_created_job_has_a_sealed_script_and_an_empty_work_folder(alice: Client, site: SlurmSite) -> None:
    job = alice.create_job("echo hello")
    assert job["state"] == "CREATED"
    assert not job["isFinal"]
    on_disk = site.run(["cat", f"{job['folder']}/run.sh"]).stdout
    assert on_disk == job["script"]
    assert site.run(["stat", "-c", "%a", f"{job['folder']}/run.sh"]).stdout.strip() == "444"
    assert site.run(["sha256sum", f"{job['folder']}/run.sh"]).stdout.split()[0] == job["scriptSha256"]
    assert set(alice.files(job["id"])) == {"run.sh"}


def test_a_script_changed_on_disk_is_reported_and_harmless(alice: Client, site: SlurmSite) -> None:
    job = alice.create_job("echo sealed")
    assert alice.job(job["id"], "scriptIntact")["scriptIntact"]
    site.run(["sh", "-c", f"echo 'echo other' > {job['folder']}/run.sh"])
    assert not alice.job(job["id"], "scriptIntact")["scriptIntact"]
    alice.launch(job["id"])
    assert alice.output(alice.wait_final(job["id"])) == "sealed\n"


def test_a_command_runs_in_the_container_in_the_jobs_folder(alice: Client) -> None:
    job = alice.create_job("pwd; cat in.txt; cp in.txt out.txt; ls /home 2>&1")
    assert alice.upload(job["id"], "in.txt", b"from outside\n")["file"]["size"] == 13
    launched = alice.launch(job["id"])
    assert launched["state"] in {"QUEUED", "RUNNING", "COMPLETED"}
    ended = alice.wait_final(job["id"])
    assert (ended["state"], ended["exitCode"]) == ("COMPLETED", 0)
    assert alice.output(ended).splitlines()[:2] == ["/job", "from outside"]
    assert set(alice.files(job["id"])) == {"run.sh", f"slurm-{ended['slurmJobId']}.out", "in.txt", "out.txt"}


def test_args_run_without_a_shell(alice: Client) -> None:
    args = ["/bin/echo", "$(id)", "a b", "'", ";", ">x"]
    job = alice.create_job(None, image="/opt/img/noshell.sif", args=args)
    alice.launch(job["id"])
    assert alice.output(alice.wait_final(job["id"])) == "$(id) a b ' ; >x\n"


def test_neither_runs_the_images_entry_point(alice: Client) -> None:
    job = alice.create_job(
        None, image="/opt/img/entry.sif", environment=[{"name": "GREETING", "value": "a,b \"c\" $(d) 'e'"}]
    )
    alice.launch(job["id"])
    assert "GREETING=a,b \"c\" $(d) 'e'" in alice.output(alice.wait_final(job["id"]))


def test_an_exit_status_is_the_jobs_end(alice: Client) -> None:
    job = alice.run("exit 3")
    assert (job["state"], job["exitCode"], job["nativeState"]) == ("FAILED", 3, "FAILED")
    assert job["reason"]


def test_a_time_limit_is_told_from_other_ends(alice: Client, site: SlurmSite) -> None:
    job = alice.create_job("sleep 300", resources={"timeLimitSeconds": 60})
    slurm = alice.launch(job["id"])["slurmJobId"]
    alice.wait(job["id"], lambda one: one["state"] == "RUNNING")
    # A minute is Slurm's shortest limit; the administrator makes the job start a minute ago.
    site.run(["scontrol", "update", f"JobId={slurm}", "TimeLimit=1"])
    ended = alice.wait_final(job["id"], 110)
    assert ended["state"] == "TIMED_OUT"


def test_an_administrators_scancel_is_a_cancel(alice: Client, site: SlurmSite) -> None:
    job = alice.create_job("sleep 300")
    slurm = alice.launch(job["id"])["slurmJobId"]
    alice.wait(job["id"], lambda one: one["state"] == "RUNNING")
    site.run(["scancel", slurm])
    ended = alice.wait_final(job["id"])
    assert ended["state"] == "CANCELLED"
    told, untold = "by an administrator (user id 0)", "not through the gateway"
    # Only accounting knows who it was, and 22.05's hears of an end a fifth of a second after squeue.
    certain = site.options.accounting and site.options.debian != "bookworm"
    assert told in ended["reason"] or (untold in ended["reason"] and not certain), ended["reason"]


def test_a_node_that_goes_down(alice: Client, site: SlurmSite) -> None:
    job = alice.create_job("sleep 300")
    slurm = alice.launch(job["id"])["slurmJobId"]
    alice.wait(job["id"], lambda one: one["state"] == "RUNNING")
    node = site.run(["squeue", "-h", "-j", slurm, "-o", "%N"]).stdout.strip()
    try:
        site.run(["scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=test"])
        assert alice.wait_final(job["id"])["state"] == "NODE_FAILED"
    finally:
        site.run(["scontrol", "update", f"NodeName={node}", "State=RESUME"], check=False)  # it may be back by itself


def test_cancel_of_a_job_that_was_never_launched(alice: Client) -> None:
    job = alice.create_job()
    assert alice.cancel(job["id"])["state"] == "CANCELLED"
    error = alice.refused("launch", "JobInput", f"job {{ {JOB} }}", jobId=job["id"])
    assert error["code"] == "INVALID_STATE"


@pytest.mark.parametrize("begin", [None, "now+1hour"])
def test_cancel_of_a_queued_and_of_a_running_job(alice: Client, site: SlurmSite, begin: str | None) -> None:
    job = alice.create_job("sleep 300")
    slurm = alice.launch(job["id"])["slurmJobId"]
    if begin:
        site.run(["scontrol", "requeuehold", slurm], check=False)
    else:
        alice.wait(job["id"], lambda one: one["state"] == "RUNNING")
    ended = alice.cancel(job["id"])
    assert ended["state"] == "CANCELLED"
    assert "alice@example.org" in ended["reason"]
    assert alice.cancel(job["id"]) == alice.job(job["id"])
    assert site.run(["squeue", "-h", "-t", "R,PD", "-j", slurm], check=False).stdout == ""


def test_a_cancel_right_behind_a_launch_is_told_as_the_users(alice: Client) -> None:
    for _ in range(8):  # the poll that the launch brought about may have begun before the cancel was asked
        job = alice.create_job("sleep 300")
        alice.launch(job["id"])
        ended = alice.cancel(job["id"])
        assert (ended["state"], ended["reason"]) == ("CANCELLED", "Cancelled by alice@example.org.")


def test_cancel_after_the_end_changes_nothing(alice: Client) -> None:
    job = alice.run("true")
    assert alice.cancel(job["id"])["state"] == "COMPLETED"


def test_launching_twice_runs_once(alice: Client, site: SlurmSite) -> None:
    job = alice.create_job("true")
    first, second = alice.launch(job["id"]), alice.launch(job["id"])
    assert first["slurmJobId"] == second["slurmJobId"]
    alice.wait_final(job["id"])
    assert alice.launch(job["id"])["state"] == "COMPLETED"
    if site.options.accounting:
        argv = ["sacct", "-X", "-n", "-P", "--name", f"gw-{job['id'].removeprefix('job_')}", "-o", "JobID"]
        deadline = time.monotonic() + 10
        while not (known := site.run(argv, user=site.username).stdout.split()):  # 22.05 takes about a second
            assert time.monotonic() < deadline
        assert len(known) == 1


def test_a_clone_starts_with_the_uploaded_inputs_and_runs_anew(alice: Client) -> None:
    job = alice.create_job("cat in.txt; echo junk > out.txt")
    alice.upload(job["id"], "in.txt", b"input\n")
    alice.launch(job["id"])
    alice.wait_final(job["id"])
    clone = alice.done("cloneJob", "JobInput", f"job {{ {JOB} }}", jobId=job["id"])
    assert clone["id"] != job["id"]
    assert clone["state"] == "CREATED"
    assert set(alice.files(clone["id"])) == {"run.sh", "in.txt"}
    alice.launch(clone["id"])
    assert alice.output(alice.wait_final(clone["id"])) == "input\n"


def test_delete_job_takes_its_folder_along(alice: Client, site: SlurmSite) -> None:
    job = alice.run("mkdir -p a/b/c; touch a/b/c/d; chmod 500 a/b")
    assert alice.done("deleteJob", "JobInput", "deletedJobId", jobId=job["id"]) == job["id"]
    assert alice.job(job["id"]) is None
    assert site.run(["test", "-e", job["folder"]], check=False).returncode == 1
    running = alice.create_job("sleep 300")
    alice.launch(running["id"])
    assert alice.refused("deleteJob", "JobInput", "deletedJobId", jobId=running["id"])["code"] == "INVALID_STATE"
    alice.cancel(running["id"])


def test_the_log_of_a_job_tells_its_whole_life(alice: Client) -> None:
    job = alice.run("true")
    events = alice.job(job["id"], "events { nodes { cursor previousState state at } pageInfo { hasNextPage } }")[
        "events"
    ]
    states = [event["state"] for event in events["nodes"]]
    assert states[:3] == ["CREATED", "LAUNCHING", "QUEUED"]
    assert states[-1] == "COMPLETED"
    assert [event["previousState"] for event in events["nodes"]] == [None, *states[:-1]]


def test_the_same_idempotency_key_is_the_same_job(alice: Client) -> None:
    first = alice.create_job("true", idempotencyKey="k1")
    assert alice.create_job("true", idempotencyKey="k1")["id"] == first["id"]
    values = {"name": "test", "image": "/opt/img/busybox.sif", "command": "false", "idempotencyKey": "k1"}
    assert alice.refused("createJob", "CreateJobInput", "job { id }", **values)["code"] == "CONFLICT"


def test_clusters_show_their_partitions(alice: Client) -> None:
    (cluster,) = alice.ask(
        "{ clusters { name available slurmVersion checkedAt"
        " partitions { name isDefault state timeLimitSeconds nodes cpus } } }"
    )["clusters"]
    partitions = {one["name"]: one for one in cluster["partitions"]}
    assert partitions["debug"]["isDefault"]
    assert partitions["debug"]["timeLimitSeconds"] == 3600
    assert (partitions["debug"]["nodes"], partitions["debug"]["cpus"]) == (4, 32)
    assert partitions["long"]["timeLimitSeconds"] is None
