"""Folders as tar files and digests of files, on the real site."""

import base64
import hashlib
import io
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import httpx
import pytest

from demo.gateway import GatewayProcess
from gql_gateway.core.identity import Identity
from gql_gateway.core.ids import parse_job_id
from gql_gateway.web.signing import Signer
from slurm_site import SlurmSite
from tests.client import Client

DATA = os.urandom(700_000)


@pytest.fixture(scope="module")
def job(alice: Client) -> Any:
    """A job that ran, and left a link out of its folder, a FIFO, and names of all kinds."""
    long = "n" * 120
    command = f"mkdir -p out/deep; echo é > 'out/deep/a b-é'; echo x > {long}; ln -s /etc/passwd out/link; mkfifo out/f"
    created = alice.create_job(f"{command}; echo mine > run.sh; chmod 750 out/deep; echo printed", name="to pack")
    assert not alice.upload(created["id"], "data.bin", DATA, "in/data.bin")["userErrors"]
    alice.launch(created["id"])
    return alice.wait_final(created["id"])


def archive_url(alice: Client, job: Any, path: str | None = None) -> str:
    if path is None:
        return str(alice.job(job["id"], "archiveUrl")["archiveUrl"])
    file = "file(path: $path) { archiveUrl }"
    answer = alice.ask(f"query($id: ID!, $path: String!) {{ job(id: $id) {{ {file} }} }}", id=job["id"], path=path)
    return str(answer["job"]["file"]["archiveUrl"])


def unpacked(url: str) -> dict[str, bytes | None]:
    """What is in it: contents of files, None for folders."""
    with tarfile.open(fileobj=io.BytesIO(httpx.get(url).raise_for_status().content)) as archive:
        return {each.name: _read(archive, each) for each in archive}


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | None:
    assert member.isreg() or member.isdir()
    file = archive.extractfile(member)
    return file.read() if file else None


def test_the_whole_job(alice: Client, job: Any) -> None:
    found = unpacked(archive_url(alice, job))
    assert found == {
        "to_pack": None,
        "to_pack/run.sh": job["script"].encode(),
        f"to_pack/slurm-{job['slurmJobId']}.out": b"printed\n",
        "to_pack/in": None,
        "to_pack/in/data.bin": DATA,
        "to_pack/out": None,
        "to_pack/out/deep": None,
        "to_pack/out/deep/a b-é": "é\n".encode(),
        "to_pack/" + "n" * 120: b"x\n",
    }


def test_one_folder(alice: Client, job: Any) -> None:
    answer = httpx.get(archive_url(alice, job, "out/deep"))
    assert answer.headers["content-type"] == "application/x-tar"
    assert answer.headers["content-disposition"].startswith('attachment; filename="deep.tar"')
    assert answer.headers["content-security-policy"].startswith("sandbox;")
    assert unpacked(str(answer.request.url)) == {"deep": None, "deep/a b-é": "é\n".encode()}
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        assert archive.getmember("deep").mode == 0o750
        assert archive.getmember("deep").uid == 0


def test_only_folders_have_one(alice: Client, job: Any) -> None:
    assert archive_url(alice, job, "in/data.bin") == "None"
    assert archive_url(alice, job, "out/link") == "None"


def test_gnu_tar_reads_it(alice: Client, job: Any, tmp_path: Path) -> None:
    packed = tmp_path / "job.tar"
    packed.write_bytes(httpx.get(archive_url(alice, job)).content)
    subprocess.run(["tar", "-C", tmp_path, "-xf", packed], check=True)
    assert (tmp_path / "to_pack/in/data.bin").read_bytes() == DATA


def test_what_is_gone_meanwhile(alice: Client, gateway: GatewayProcess, site: SlurmSite) -> None:
    created = alice.create_job(name="gone")
    assert not alice.upload(created["id"], "x", b"x", "folder/x")["userErrors"]
    url = archive_url(alice, created, "folder")
    alice.done("deleteFile", "DeleteFileInput", "deletedPath", jobId=created["id"], path="folder")
    answer = httpx.get(url)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "FILE_NOT_FOUND")
    work = site.rootfs / created["folder"].strip("/") / "work"
    (work / "folder").symlink_to("/etc")
    answer = httpx.get(url)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "PATH_NOT_ALLOWED")


def test_the_url_is_good_for_its_folder(alice: Client, job: Any, gateway: GatewayProcess) -> None:
    signer = Signer([(gateway.config.parent / "gateway.db.key").read_text()], gateway.url, 600)
    key = parse_job_id(job["id"]) or ""
    alices, bobs = (Identity(f"{name}@example.org", name) for name in ("alice", "bob"))
    assert httpx.get(signer.archive_url(key, "in", alices)).status_code == 200
    assert httpx.get(signer.archive_url(key, "in", bobs)).status_code == 404
    as_file = signer.archive_url(key, "in", alices).replace("/archives/", "/files/")
    assert httpx.get(as_file).status_code == 403
    assert httpx.head(signer.archive_url(key, "in", alices)).status_code == 200


@pytest.mark.parametrize("wanted", ["sha-256=10", "sha-512=3, sha-256=1", "sha-256=1,unixsum=0"])
def test_a_digest_where_it_is_wanted(alice: Client, job: Any, wanted: str) -> None:
    url = alice.files(job["id"], "in")["in/data.bin"]["downloadUrl"]
    answer = httpx.head(url, headers={"Want-Repr-Digest": wanted})
    digest = base64.b64encode(hashlib.sha256(DATA).digest()).decode()
    assert answer.headers["repr-digest"] == f"sha-256=:{digest}:"
    assert answer.headers["etag"] == httpx.head(url).headers["etag"]


@pytest.mark.parametrize("wanted", ["", "sha-512=10", "sha-256=0", "sha-256"])
def test_no_digest_where_none_is_wanted(alice: Client, job: Any, wanted: str) -> None:
    url = alice.files(job["id"], "in")["in/data.bin"]["downloadUrl"]
    assert "repr-digest" not in httpx.head(url, headers={"Want-Repr-Digest": wanted}).headers


def test_an_administrator_who_packs_anothers_folder_is_noted(alice: Client, job: Any, gateway: GatewayProcess) -> None:
    with Client.of(gateway, "root@example.org", role="admin") as admin:
        url = archive_url(admin, job, "in")
        query = "query($id: ID!) { auditEntries(jobId: $id) { nodes { actor action detail } } }"
        noted = {"actor": "root@example.org", "action": "DOWNLOAD", "detail": "in"}
        assert noted not in admin.ask(query, id=job["id"])["auditEntries"]["nodes"]
        assert httpx.get(url).status_code == 200
        assert noted in admin.ask(query, id=job["id"])["auditEntries"]["nodes"]
    assert httpx.get(archive_url(alice, job, "in")).status_code == 200
