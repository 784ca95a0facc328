"""Uploads that are cut and continued, on the real site: the protocol, its refusals, and what stays of them."""

import base64
import hashlib
import os
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from demo.gateway import GatewayProcess
from gql_gateway.cluster.parts import Part
from gql_gateway.core.identity import Identity
from gql_gateway.core.ids import parse_job_id
from gql_gateway.core.paths import parse
from gql_gateway.services.uploads import Ticket
from gql_gateway.web.tickets import TicketSigner
from slurm_site import SlurmSite
from tests.client import Client, mint
from tests.web.serving import eventually

TUS = {"Tus-Resumable": "1.0.0"}
DATA = os.urandom(600_000)
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(scope="module")
def job(alice: Client) -> Any:
    return alice.create_job(name="uploads")


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(headers=TUS, timeout=30) as client:
        yield client


def begin(alice: Client, job: Any, path: str, **more: object) -> str:
    wanted = {"jobId": job["id"], "path": path, "size": len(DATA), "sha256": SHA256} | more
    return str(alice.done("createUpload", "CreateUploadInput", "upload { url expiresAt }", **wanted)["url"])


def refused(alice: Client, job: Any, path: str, **more: object) -> Any:
    wanted = {"jobId": job["id"], "path": path, "size": len(DATA)} | more
    return alice.refused("createUpload", "CreateUploadInput", "upload { url }", **wanted)


def patch(http: httpx.Client, url: str, offset: int, data: bytes, **headers: str) -> httpx.Response:
    head = {"Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream", **headers}
    return http.patch(url, content=data, headers=head)


def offset(http: httpx.Client, url: str) -> int:
    answer = http.head(url)
    assert answer.status_code == 200, answer.status_code
    return int(answer.headers["Upload-Offset"])


def content(alice: Client, job: Any, path: str) -> bytes:
    folder, _, _ = path.rpartition("/")
    return httpx.get(alice.files(job["id"], folder)[path]["downloadUrl"]).content


def test_in_two_parts(alice: Client, job: Any, http: httpx.Client) -> None:
    url = begin(alice, job, "in/two.bin")
    answer = http.head(url)
    assert (answer.headers["Upload-Offset"], answer.headers["Upload-Length"]) == ("0", str(len(DATA)))
    assert answer.headers["Tus-Resumable"] == "1.0.0"
    assert answer.headers["Cache-Control"] == "no-store"
    first = patch(http, url, 0, DATA[:200_000])
    assert (first.status_code, first.headers["Upload-Offset"]) == (204, "200000")
    assert "in" not in alice.files(job["id"]), "nothing is seen before it is whole"
    assert offset(http, url) == 200_000
    last = patch(http, url, 200_000, DATA[200_000:])
    assert (last.status_code, last.headers["Upload-Offset"]) == (204, str(len(DATA)))
    assert content(alice, job, "in/two.bin") == DATA


def test_in_many_small_parts(alice: Client, job: Any, http: httpx.Client) -> None:
    url = begin(alice, job, "in/many.bin")
    for at in range(0, len(DATA), 50_000):
        answer = patch(http, url, at, DATA[at : at + 50_000])
        assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, str(at + 50_000))
    assert content(alice, job, "in/many.bin") == DATA


def test_what_is_held_appears_when_that_is_wanted(alice: Client, job: Any, http: httpx.Client) -> None:
    url = begin(alice, job, "held.bin", sha256=None)
    held = patch(http, url, 0, DATA, **{"Upload-Hold": "true"})
    digest = f"sha-256=:{base64.b64encode(hashlib.sha256(DATA).digest()).decode()}:"
    assert (held.status_code, held.headers["Upload-Offset"]) == (204, str(len(DATA)))
    assert held.headers["Repr-Digest"] == digest
    again = patch(http, url, len(DATA), b"", **{"Upload-Hold": "true"})
    assert again.headers["Repr-Digest"] == digest, "also for a client that lost the answer"
    assert "held.bin" not in alice.files(job["id"])
    assert patch(http, url, len(DATA), b"").status_code == 204
    assert content(alice, job, "held.bin") == DATA
    assert patch(http, url, len(DATA), b"").status_code == 204


def test_what_is_held_can_be_given_up(alice: Client, job: Any, http: httpx.Client) -> None:
    url = begin(alice, job, "unwanted.bin", sha256=None)
    assert patch(http, url, 0, DATA, **{"Upload-Hold": "true"}).status_code == 204
    assert http.delete(url).status_code == 204
    assert patch(http, url, len(DATA), b"").status_code == 404
    assert "unwanted.bin" not in alice.files(job["id"])


def test_a_client_that_lost_the_last_answer_asks_again(alice: Client, job: Any, http: httpx.Client) -> None:
    url = begin(alice, job, "again.bin")
    assert patch(http, url, 0, DATA).status_code == 204
    assert offset(http, url) == len(DATA)
    assert patch(http, url, len(DATA), b"").status_code == 204


def test_what_came_before_a_cut_counts(alice: Client, job: Any, http: httpx.Client) -> None:
    url = begin(alice, job, "cut.bin")
    target = urlsplit(url)
    head = f"PATCH {target.path} HTTP/1.1\r\nHost: x\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n"
    head += f"Content-Type: application/offset+octet-stream\r\nContent-Length: {len(DATA)}\r\n\r\n"
    with socket.create_connection((target.hostname, target.port)) as connection:
        connection.sendall(head.encode() + DATA[:300_000])
        eventually(lambda: offset(http, url) > 0)
        busy = patch(http, url, offset(http, url), b"")
        assert (busy.status_code, busy.json()["error"]["code"]) == (423, "CONFLICT")
    eventually(lambda: offset(http, url) == 300_000)
    eventually(lambda: patch(http, url, 300_000, b"").status_code == 204)
    assert patch(http, url, 300_000, DATA[300_000:]).status_code == 204
    assert content(alice, job, "cut.bin") == DATA


def test_another_gateway_goes_on(
    alice: Client, job: Any, http: httpx.Client, site: SlurmSite, gateway: GatewayProcess, tmp_path: Path
) -> None:
    url = begin(alice, job, "moved.bin")
    assert patch(http, url, 0, DATA[:1000]).status_code == 204
    with GatewayProcess(site, tmp_path, store=gateway.store) as other:
        there = url.replace(gateway.url, other.url)
        assert offset(http, there) == 1000
        assert patch(http, there, 1000, DATA[1000:]).status_code == 204
    assert content(alice, job, "moved.bin") == DATA


def test_the_whole_is_checked(alice: Client, job: Any, http: httpx.Client) -> None:
    url = begin(alice, job, "wrong.bin", sha256="0" * 64)
    answer = patch(http, url, 0, DATA)
    assert (answer.status_code, answer.json()["error"]["code"]) == (460, "CHECKSUM_MISMATCH")
    assert http.head(url).status_code == 404, "it was dropped"
    assert "wrong.bin" not in alice.files(job["id"])


@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_a_request_is_checked_by_itself(alice: Client, job: Any, http: httpx.Client, algorithm: str) -> None:
    url = begin(alice, job, f"checked-{algorithm}.bin")
    digest = base64.b64encode(hashlib.new(algorithm, DATA[:1000]).digest()).decode()
    wrong = patch(http, url, 0, DATA[1:1001], **{"Upload-Checksum": f"{algorithm} {digest}"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (460, "CHECKSUM_MISMATCH")
    assert offset(http, url) == 0
    assert patch(http, url, 0, DATA[:1000], **{"Upload-Checksum": f"{algorithm} {digest}"}).status_code == 204
    assert offset(http, url) == 1000
    assert patch(http, url, 1000, b"x", **{"Upload-Checksum": "crc32 AAAA"}).status_code == 400


def test_empty_files_and_unknown_digests(alice: Client, job: Any, http: httpx.Client) -> None:
    url = begin(alice, job, "empty", size=0, sha256=None)
    assert patch(http, url, 0, b"").status_code == 204
    assert content(alice, job, "empty") == b""


def test_it_can_be_given_up(alice: Client, job: Any, http: httpx.Client) -> None:
    url = begin(alice, job, "never.bin")
    assert patch(http, url, 0, DATA[:1000]).status_code == 204
    assert http.delete(url).status_code == 204
    assert http.head(url).status_code == 404
    assert patch(http, url, 1000, DATA[1000:]).status_code == 404


@pytest.mark.parametrize(
    ("headers", "data", "status"),
    [
        ({"Upload-Offset": "7"}, b"x", 409),
        ({"Upload-Offset": "-1"}, b"x", 400),
        ({"Upload-Offset": "٣"}, b"x", 400),
        ({}, b"x", 400),
        ({"Upload-Offset": "0", "Content-Type": "text/plain"}, b"x", 415),
        ({"Upload-Offset": "0", "Tus-Resumable": "0.2.2"}, b"x", 412),
        ({"Upload-Offset": "600000"}, b"x", 413),
        ({"Upload-Offset": "0"}, DATA + b"x", 413),
    ],
)
def test_requests_that_are_none(
    alice: Client, job: Any, http: httpx.Client, headers: dict[str, str], data: bytes, status: int
) -> None:
    url = begin(alice, job, "strict.bin")
    given = {"Content-Type": "application/offset+octet-stream"} | headers
    answer = http.patch(url, content=data, headers={key: value.encode() for key, value in given.items()})
    assert answer.status_code == status, answer.text
    assert answer.headers["Tus-Resumable"] == "1.0.0"
    assert offset(http, url) == 0


def test_more_than_announced_without_a_length(alice: Client, job: Any, http: httpx.Client) -> None:
    url = begin(alice, job, "long.bin", size=10, sha256=None)
    answer = http.patch(
        url,
        content=iter([b"12345", b"6789012345"]),
        headers={"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"},
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "FILE_TOO_LARGE")
    assert offset(http, url) in {0, 5}, "what was one too many is not there"


def test_what_is_held_takes_no_more_bytes(alice: Client, job: Any, http: httpx.Client) -> None:
    url = begin(alice, job, "full.bin", sha256=None)
    assert patch(http, url, 0, DATA, **{"Upload-Hold": "true"}).status_code == 204
    answer = http.patch(
        url,
        content=iter([b"x"]),
        headers={"Upload-Offset": str(len(DATA)), "Content-Type": "application/offset+octet-stream"},
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "FILE_TOO_LARGE")
    assert patch(http, url, len(DATA), b"").status_code == 204
    assert content(alice, job, "full.bin") == DATA


def test_what_can_be_done_is_told(alice: Client, job: Any, http: httpx.Client) -> None:
    answer = http.options(begin(alice, job, "options.bin"))
    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert answer.headers["Tus-Extension"] == "checksum,expiration,termination"
    assert answer.headers["Tus-Max-Size"] == str(64 * 2**30)


def test_limits_are_said_before_the_first_byte(alice: Client, bob: Client, job: Any) -> None:
    too_large = refused(alice, job, "big", size=64 * 2**30 + 1)
    assert (too_large["code"], too_large["field"]) == ("FILE_TOO_LARGE", ["input", "size"])
    assert str(64 * 2**30) in too_large["message"]
    assert refused(alice, job, "run.sh")["code"] == "FILE_PROTECTED"
    assert refused(alice, job, "../x")["code"] == "PATH_NOT_ALLOWED"
    assert refused(alice, job, "x", sha256="abc")["field"] == ["input", "sha256"]
    assert refused(bob, job, "x")["code"] == "NOT_FOUND"


def test_nothing_is_replaced_unless_that_is_allowed(alice: Client, job: Any, http: httpx.Client) -> None:
    early = begin(alice, job, "kept", overwrite=False)
    assert not alice.upload(job["id"], "kept", b"first")["userErrors"]
    assert refused(alice, job, "kept", overwrite=False)["code"] == "FILE_EXISTS"
    answer = patch(http, early, 0, DATA)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "FILE_EXISTS")
    assert content(alice, job, "kept") == b"first"


def test_urls_are_good_for_their_upload_and_their_time(
    alice: Client, job: Any, http: httpx.Client, gateway: GatewayProcess
) -> None:
    url = begin(alice, job, "signed.bin")
    # Not the last character: of its six bits two say nothing, so that four characters each mean the same there.
    assert http.head(url[:-2] + ("A" if url[-2] != "A" else "B") + url[-1]).status_code == 403
    signer = TicketSigner([(gateway.config.parent / "gateway.db.key").read_text()], gateway.url)
    part = Part("0" * 32, parse("old"), 5, None, overwrite=True)
    over = Ticket(parse_job_id(job["id"]) or "", part, int(time.time()) - 1)
    assert http.head(signer.url(over, Identity("alice@example.org", "Alice"))).status_code == 410
    foreign = Ticket(over.job_id, part, int(time.time()) + 60)
    assert http.head(signer.url(foreign, Identity("bob@example.org", "Bob"))).status_code == 404


def test_the_ticket_says_until_when(alice: Client, job: Any, http: httpx.Client) -> None:
    wanted = {"jobId": job["id"], "path": "when", "size": 1}
    ticket = alice.done("createUpload", "CreateUploadInput", "upload { url expiresAt }", **wanted)
    left = datetime.fromisoformat(ticket["expiresAt"]) - datetime.now(UTC)
    assert timedelta(hours=11, minutes=59) < left <= timedelta(hours=12)
    told = http.head(ticket["url"]).headers["Upload-Expires"]
    assert datetime.strptime(told, "%a, %d %b %Y %H:%M:%S GMT").replace(tzinfo=UTC) == datetime.fromisoformat(
        ticket["expiresAt"]
    )


def test_an_upload_outlives_the_token_that_began_it(
    alice: Client, job: Any, http: httpx.Client, gateway: GatewayProcess
) -> None:
    with Client(gateway.url, mint(gateway, "alice@example.org", lifetime=timedelta(seconds=5))) as brief:
        url = begin(brief, job, "outlives.bin")
        eventually(lambda: brief.post("{ me { id } }").status_code == 401, 20)
    assert patch(http, url, 0, DATA).status_code == 204
    assert content(alice, job, "outlives.bin") == DATA


def test_a_clone_has_it_too(alice: Client, http: httpx.Client) -> None:
    job = alice.create_job(name="cloned")
    assert patch(http, begin(alice, job, "in/x"), 0, DATA).status_code == 204
    clone = alice.done("cloneJob", "JobInput", "job { id }", jobId=job["id"])
    assert content(alice, clone, "in/x") == DATA


def test_parts_are_out_of_the_containers_sight(alice: Client, job: Any, http: httpx.Client, site: SlurmSite) -> None:
    url = begin(alice, job, "hidden.bin")
    assert patch(http, url, 0, DATA[:10]).status_code == 204
    folder = site.rootfs / job["folder"].strip("/")
    assert any(part.stat().st_size == 10 for part in (folder / "incoming").glob("part-*"))
    assert not list((folder / "work").rglob("part-*"))
