"""Users with accounts of their own on the cluster: files and Slurm jobs are theirs, and nobody gets another's."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from demo.gateway import GatewayProcess
from gql_gateway.sdk import HpcGateway, JobState
from slurm_site import SlurmSite
from tests.client import Client, mint
from tests.web.serving import eventually

ALICE, BOB, ADA = "alice@good.example", "bob@good.example", "Ada.L@other.example"
PROXY = "/api/applications/proxy/x"
CREATE_USER = "mutation { createUser { user { id } userErrors { code message field retryable detail } } }"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("accounts")


@pytest.fixture(scope="module")
def table(folder: Path) -> Path:
    file = folder / "accounts.txt"
    file.write_text(f"# who is who\n{ADA} alice\n{BOB} bob  # by a certificate\n")
    return file


@pytest.fixture(scope="module")
def certified(site: SlurmSite, folder: Path) -> Iterator[Path]:
    """Keys of accounts: the site knows alice's; bob's has a certificate of an authority that bob's account trusts."""
    keys = folder / "keys"
    keys.mkdir()
    keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", ""]
    for name in ("ca", "bob"):
        subprocess.run([*keygen, "-f", keys / name], check=True)
    subprocess.run(["ssh-keygen", "-q", "-s", keys / "ca", "-I", "gateway", "-n", "bob", keys / "bob.pub"], check=True)
    (keys / "alice").write_text(site.private_key.read_text())
    (keys / "alice").chmod(0o600)
    known = site.rootfs / "home/bob/.ssh/authorized_keys"
    before = known.read_text()
    known.write_text(f"{before}cert-authority {(keys / 'ca.pub').read_text()}")
    yield keys
    known.write_text(before)


@pytest.fixture(scope="module")
def mapped(site: SlurmSite, folder: Path, table: Path, certified: Path) -> Iterator[GatewayProcess]:
    """A gateway with one site under two names: accounts by a template, and by a table with keys of their own."""
    shared = f"""poll_seconds = 1
account = "template"
account_template = "{{local}}"
account_domains = ["good.example"]
account_root = "/scratch/{{account}}"

[[clusters]]
name = "tabled"
host = "{site.host}"
port = {site.port}
username = "{site.username}"
private_key = "{site.private_key}"
known_hosts = "{site.known_hosts}"
root = "{site.root}"
image_allow = ["/opt/img/*.sif"]
poll_seconds = 1
account = "table"
account_table = "{table}"
account_root = "/home/{{account}}/hpcgw"
account_private_key = "{certified}/{{account}}"
"""
    more = "[marketplace]\nenabled = true\n[watcher]\nlease_seconds = 2\n"
    with GatewayProcess(site, folder, cluster=shared, more=more) as running:
        yield running


@pytest.fixture(scope="module")
def alice(mapped: GatewayProcess) -> Iterator[Client]:
    with Client.of(mapped, ALICE) as client:
        assert client.create_user()["folder"] == "/scratch/alice/alice"
        yield client


@pytest.fixture(scope="module")
def bob(mapped: GatewayProcess) -> Iterator[Client]:
    with Client.of(mapped, BOB) as client:
        assert client.create_user()["folder"] == "/scratch/bob/bob"
        yield client


@pytest.fixture(scope="module")
def ada(mapped: GatewayProcess) -> Iterator[Client]:
    """Who has an account only on the second cluster."""
    with Client.of(mapped, ADA) as client:
        assert client.create_user()["folder"] == "/home/alice/hpcgw/Ada_L"
        yield client


def owners(site: SlurmSite, path: str) -> set[str]:
    """Whose a folder is, with all it holds."""
    return set(site.run(["find", path, "-printf", "%u %g\\n"]).stdout.splitlines())


def slurm_user(site: SlurmSite, job: Any) -> str:
    """Whose a job is, in Slurm's own words."""
    return site.run(
        ["squeue", "--noheader", "--states=all", f"--job={job['slurmJobId']}", "--format=%u"]
    ).stdout.strip()


def where(client: Client, job_id: str) -> str:
    return str(client.job(job_id, "cluster { name }")["cluster"]["name"])


def by_hand(site: SlurmSite, user: str, name: str, *more: str) -> str:
    """A Slurm job that somebody submits without the gateway; its number."""
    script = "#!/bin/sh\nsleep 60\n"
    argv = ["sbatch", "--parsable", f"--job-name={name}", "--output=/dev/null", *more]
    return site.run(argv, user=user, input=script).stdout.strip()


def state_of(site: SlurmSite, number: str) -> str:
    return site.run(["squeue", "--noheader", "--states=all", f"--job={number}", "--format=%T"]).stdout.strip()


@pytest.mark.parametrize("account", ["alice", "bob"])
def test_a_whole_day_is_the_account_s_own(
    mapped: GatewayProcess, site: SlurmSite, tmp_path: Path, account: str
) -> None:
    source = tmp_path / "numbers.txt"
    source.write_text("3\n1\n2\n" * 1000)
    command = "sort -n numbers.txt > sorted.txt; echo whoami $(id -u)"
    with HpcGateway(mapped.url, mint(mapped, f"{account}@good.example")) as hpc:
        hpc.create_user()
        job = hpc.new_job("sort", site.image, command)
        job.upload(source)
        job.launch()
        said = "".join(job.output())
        status = job.wait(60)
        job.download("sorted.txt", tmp_path / "sorted.txt")
    assert status.state is JobState.COMPLETED
    uid = site.run(["id", "-u", account]).stdout.strip()
    assert f"whoami {uid}" in said
    assert (tmp_path / "sorted.txt").read_text() == "1\n" * 1000 + "2\n" * 1000 + "3\n" * 1000
    root = f"/scratch/{account}/{account}/{job.id.removeprefix('job_')}"
    assert owners(site, root) == {f"{account} {account}"}
    assert slurm_user(site, {"slurmJobId": status.slurm_job_id}) == account


def test_a_cancelled_job_and_a_deleted_one(alice: Client, site: SlurmSite) -> None:
    job = alice.create_job("sleep 60")
    alice.launch(job["id"])
    running = alice.wait(job["id"], lambda one: one["state"] == "RUNNING")
    assert slurm_user(site, running) == "alice"
    alice.cancel(job["id"])
    ended = alice.wait_final(job["id"])
    assert (ended["state"], ended["reason"]) == ("CANCELLED", f"Cancelled by {ALICE}.")
    assert state_of(site, running["slurmJobId"]) == "CANCELLED"
    alice.done("deleteJob", "JobInput", "deletedJobId", jobId=job["id"])
    assert site.run(["ls", "-d", job["folder"]], check=False).returncode != 0


def test_the_walls_between_two_users_are_the_systems_too(alice: Client, bob: Client, site: SlurmSite) -> None:
    job = alice.create_job()
    assert not alice.upload(job["id"], "secret.txt", b"secret")["userErrors"]
    path = f"{job['folder']}/work/secret.txt"
    assert site.run(["cat", path], user="alice").stdout == "secret"
    assert "Permission denied" in site.run(["cat", path], user="bob", check=False).stderr
    assert "Permission denied" in site.run(["cat", path], user=site.username, check=False).stderr
    assert bob.job(job["id"]) is None
    assert bob.refused("launch", "JobInput", "job { id }", jobId=job["id"])["code"] == "NOT_FOUND"


def test_a_name_that_somebody_else_s_job_has_changes_nothing(alice: Client, bob: Client, site: SlurmSite) -> None:
    mine = [client.create_job("sleep 120") for client in (alice, bob)]
    for client, job in zip((alice, bob), mine, strict=True):
        client.launch(job["id"])
        client.wait(job["id"], lambda one: one["state"] == "RUNNING")
    job, ended = alice.job(mine[0]["id"]), alice.run("true")
    name, old = (f"gw-{one['id'].removeprefix('job_')}" for one in (job, ended))
    forged = by_hand(site, "bob", name)
    late = by_hand(site, "bob", old, "--hold")
    # Each account is asked again, and so has seen whatever it can see of these.
    for client, one in zip((alice, bob), mine, strict=True):
        seen = client.job(one["id"], "observedAt")["observedAt"]
        for _ in range(2):
            eventually(lambda c=client, o=one, s=seen: c.job(o["id"], "observedAt")["observedAt"] > s)  # type: ignore[misc]
            seen = client.job(one["id"], "observedAt")["observedAt"]
    still = alice.job(job["id"])
    assert (still["state"], still["slurmJobId"]) == ("RUNNING", job["slurmJobId"])
    site.run(["scancel", forged], user="bob")
    assert alice.job(job["id"])["state"] == "RUNNING"
    assert state_of(site, late) == "PENDING", "what is no job of ours is not ours to cancel"
    assert alice.job(ended["id"])["slurmJobId"] == ended["slurmJobId"]
    site.run(["scancel", late], user="bob")
    for client, one in zip((alice, bob), mine, strict=True):
        client.cancel(one["id"])
        client.wait_final(one["id"])


@pytest.mark.parametrize(
    ("email", "why"),
    [
        ("alice@evil.example", "Addresses at evil.example stand for no account there"),
        ("Alice@good.example", "does not spell the name of an account"),
        ("a/../alice@good.example", "does not spell the name of an account"),
        ("{folder}@good.example", "does not spell the name of an account"),
        ("carl@good.example", "The cluster knows no account carl."),
        ("daemon@good.example", "The account daemon is not for users."),
        ("nobody@good.example", "The account nobody is not for users."),
        ("root@good.example", "The account root is not for users."),
        ("hpcgw@good.example", "The account hpcgw is not for users."),
    ],
)
def test_who_has_no_account_is_told_so(mapped: GatewayProcess, email: str, why: str) -> None:
    with Client.of(mapped, email) as client:
        (error,) = client.ask(CREATE_USER)["createUser"]["userErrors"]
    assert error["code"] == "NO_ACCOUNT"
    assert error["message"] == "You have no account on the cluster local, which takes users with one of their own."
    assert (why in error["detail"], error["retryable"], error["field"]) == (True, False, None)
    assert error["detail"].endswith("Ask the operators of the cluster.")


def test_a_table_s_accounts_with_keys_and_certificates(ada: Client, bob: Client, site: SlurmSite) -> None:
    for client, account, name in ((ada, "alice", "Ada_L"), (bob, "bob", "bob")):
        job = client.create_job("id -u", cluster="tabled")
        assert job["folder"].startswith(f"/home/{account}/hpcgw/{name}/")
        client.launch(job["id"])
        ended = client.wait_final(job["id"])
        assert (ended["state"], slurm_user(site, ended)) == ("COMPLETED", account)
        assert owners(site, job["folder"]) == {f"{account} {account}"}
        assert where(client, job["id"]) == "tabled"
    (error,) = ada.mutate("createJob", "CreateJobInput", "job { id }", name="x", image=site.image)["userErrors"]
    assert (error["code"], "other.example" in error["detail"]) == ("NO_ACCOUNT", True)


def test_a_table_is_read_again_when_it_was_changed(mapped: GatewayProcess, table: Path) -> None:
    with Client.of(mapped, "new@other.example") as client:
        assert client.ask(CREATE_USER)["createUser"]["userErrors"][0]["code"] == "NO_ACCOUNT"
        before = table.read_text()
        table.write_text(f"{before}new@other.example alice\nnonsense\n")
        assert client.ask(CREATE_USER)["createUser"]["userErrors"][0]["code"] == "NO_ACCOUNT"
        table.write_text(f"{before}new@other.example alice\n")
        assert client.create_user()["folder"] == "/home/alice/hpcgw/new"
        table.write_text(before)
        refused = client.refused(
            "createJob", "CreateJobInput", "job { id }", name="x", image="/opt/img/busybox.sif", cluster="tabled"
        )
        assert refused["code"] == "NO_ACCOUNT"
        assert client.ask("{ me { folder } }")["me"]["folder"] == ""
    assert "line 5 is not an e-mail address and an account's name" in mapped.log.read_text()


def test_a_clone_of_another_s_job_has_its_files_carried_over(
    alice: Client, mapped: GatewayProcess, site: SlurmSite
) -> None:
    job = alice.create_job("cat a/in.txt")
    assert not alice.upload(job["id"], "in.txt", b"0123456789" * 100_000, path="a/in.txt")["userErrors"]
    with Client.of(mapped, BOB, role="admin") as admin:
        clone = admin.done("cloneJob", "JobInput", "job { id folder }", jobId=job["id"])
        assert admin.files(clone["id"], "a")["a/in.txt"]["size"] == 1_000_000
    assert owners(site, clone["folder"]) == {"bob bob"}


def test_nobody_is_shown_keys_of_accounts(alice: Client, mapped: GatewayProcess) -> None:
    job = alice.create_job()
    assert where(alice, job["id"]) == "local"
    found = alice.ask('{ jobs(first: 200, filter: {cluster: "local"}) { nodes { id cluster { name } } } }')["jobs"][
        "nodes"
    ]
    assert job["id"] in {one["id"] for one in found}
    assert {one["cluster"]["name"] for one in found} == {"local"}
    assert not alice.ask('{ jobs(first: 5, filter: {cluster: "tabled"}) { nodes { id } } }')["jobs"]["nodes"]
    for name in ("local@bob", "local@alice"):
        refused = alice.refused(
            "createJob", "CreateJobInput", "job { id }", name="x", image="/opt/img/busybox.sif", cluster=name
        )
        assert (refused["code"], refused["detail"]) == ("INVALID_INPUT", "Clusters: local, tabled")
    assert [one["name"] for one in alice.ask("{ clusters { name available } }")["clusters"]] == ["local", "tabled"]
    metrics = httpx.get(f"{mapped.url}/metrics").text
    assert 'cluster="local"' in metrics
    assert "@" not in metrics


def test_the_marketplace_way(bob: Client, site: SlurmSite) -> None:
    assert bob.http.put(f"{PROXY}/createOrUpdateCollection").json()["home"] == "/scratch/bob/bob"
    given = {
        "job_name": "m",
        "image": site.image,
        "executable_cmd": "cat in.txt",
        "ntasks_per_node": 1,
        "partition": "debug",
    }
    job_id = bob.http.post(f"{PROXY}/newTransformation", content=json.dumps(given)).json()["jobid"]
    job = {"jobid": job_id}
    bob.http.put(f"{PROXY}/createDataset", params=job | {"filename": "in.txt"}, files={"file": ("in.txt", b"words")})
    bob.http.patch(f"{PROXY}/updateTransformation", params=job)
    assert bob.wait_final(job_id)["state"] == "COMPLETED"
    told = bob.http.get(f"{PROXY}/getTransformationState", params=job).json()
    assert {(file["user"], file["group"]) for file in told["files"]} == {("bob", "bob")}


def test_a_restart_goes_on_with_the_jobs_of_both_accounts(alice: Client, bob: Client, mapped: GatewayProcess) -> None:
    jobs = []
    for client in (alice, bob):
        job = client.create_job("until [ -e go ]; do sleep 0.1; done; echo went")
        client.launch(job["id"])
        client.wait(job["id"], lambda one: one["state"] == "RUNNING")
        jobs.append(job)
    mapped.kill()
    mapped.start()
    for client, job in zip((alice, bob), jobs, strict=True):
        assert client.job(job["id"])["state"] == "RUNNING"
        assert not client.upload(job["id"], "go", b"")["userErrors"]
        assert client.wait_final(job["id"])["state"] == "COMPLETED"


GOOD = ["✓ local@bob: SSH and Python: bob@", "✓ tabled@bob: root folder: /home/bob/hpcgw can be written"]
HALF = ["✓ local: account of alice@good.example: alice, number", "✗ tabled: account of alice@good.example: You have no"]


@pytest.mark.parametrize(("email", "status", "said"), [(BOB, 0, GOOD), (ALICE, 1, HALF)])
def test_doctor_looks_at_an_account(mapped: GatewayProcess, email: str, status: int, said: list[str]) -> None:
    command = [sys.executable, "-m", "gql_gateway.cli", "doctor", "--config", mapped.config, "--user", email]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == status, done.stdout
    for words in said:
        assert words in done.stdout
