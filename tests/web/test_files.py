"""Bytes on signed URLs, on the real site: whole, in part, refused, and broken off."""

import asyncio
import http.client
import re
import resource
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest

from demo.gateway import GatewayProcess
from gql_gateway.core.identity import Identity
from gql_gateway.core.ids import parse_job_id
from gql_gateway.web.signing import Signer
from slurm_site import SlurmSite
from tests.client import Client
from tests.web.serving import until

pytestmark = pytest.mark.anyio
DATA = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def job(alice: Client) -> Any:
    created = alice.create_job(name="files")
    assert not alice.upload(created["id"], "data.bin", DATA)["userErrors"]
    return created


@pytest.fixture(scope="module")
def url(alice: Client, job: Any) -> str:
    return str(alice.files(job["id"])["data.bin"]["downloadUrl"])


@pytest.fixture(scope="module")
def signer(gateway: GatewayProcess) -> Signer:
    """What the gateway signs with: the key that it keeps beside its store."""
    return Signer([(gateway.config.parent / "gateway.db.key").read_text()], gateway.url, 600)


def upload_url(signer: Signer, job: Any, path: str, email: str = "alice@example.org") -> str:
    return signer.upload_url(parse_job_id(job["id"]) or "", path, Identity(email, email))


def test_the_whole_file(url: str) -> None:
    answer = httpx.get(url)
    assert (answer.status_code, answer.content) == (200, DATA)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment; filename=\"data.bin\"; filename*=UTF-8''data.bin"
    assert answer.headers["content-security-policy"].startswith("sandbox;")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "private, no-store"


def test_head_tells_the_same_without_bytes(url: str) -> None:
    whole, head = httpx.get(url), httpx.head(url)
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "content-type", "content-disposition", "etag", "accept-ranges"):
        assert head.headers[name] == whole.headers[name]


@pytest.mark.parametrize(
    ("wanted", "part", "told"),
    [
        ("bytes=0-0", DATA[:1], "bytes 0-0/10240"),
        ("bytes=10-19", DATA[10:20], "bytes 10-19/10240"),
        ("bytes=10200-", DATA[10200:], "bytes 10200-10239/10240"),
        ("bytes=10200-99999", DATA[10200:], "bytes 10200-10239/10240"),
        ("bytes=-5", DATA[-5:], "bytes 10235-10239/10240"),
        ("bytes=-99999", DATA, "bytes 0-10239/10240"),
    ],
)
def test_one_range(url: str, wanted: str, part: bytes, told: str) -> None:
    answer = httpx.get(url, headers={"Range": wanted})
    assert (answer.status_code, answer.content, answer.headers["content-range"]) == (206, part, told)
    head = httpx.head(url, headers={"Range": wanted})
    assert (head.status_code, head.headers["content-length"]) == (206, str(len(part)))


@pytest.mark.parametrize("wanted", ["bytes=0-1,4-5", "bytes=5-2", "bytes=-", "bytes=a-b", "items=0-1", "bytes", ""])
def test_what_is_no_single_range_means_all(url: str, wanted: str) -> None:
    answer = httpx.get(url, headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (200, DATA)


@pytest.mark.parametrize("wanted", ["bytes=10240-", "bytes=99999-100000", "bytes=-0"])
def test_a_range_behind_the_end(url: str, wanted: str) -> None:
    answer = httpx.get(url, headers={"Range": wanted})
    assert (answer.status_code, answer.headers["content-range"]) == (416, "bytes */10240")


def test_a_range_of_another_version_means_all(url: str) -> None:
    etag = httpx.head(url).headers["etag"]
    same = httpx.get(url, headers={"Range": "bytes=0-9", "If-Range": etag})
    other = httpx.get(url, headers={"Range": "bytes=0-9", "If-Range": '"other"'})
    assert (same.status_code, other.status_code) == (206, 200)


@pytest.mark.parametrize("name", ["ä b.txt", 'q"uote.tar.gz', "se;mi.html", "$(x).svg", "名.csv"])
def test_any_name_comes_back_as_it_is(alice: Client, job: Any, name: str) -> None:
    assert not alice.upload(job["id"], "x", b"content", path=f"names/{name}")["userErrors"]
    answer = httpx.get(alice.files(job["id"], "names")[f"names/{name}"]["downloadUrl"])
    disposition = answer.headers["content-disposition"]
    assert answer.content == b"content"
    assert unquote(disposition.partition("filename*=UTF-8''")[2]) == name
    assert re.fullmatch(r'attachment; filename="[A-Za-z0-9 ._+@=,()-]+"; filename\*=[^ ;"]+', disposition)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.tar.gz", "application/gzip"),
        ("a.html", "application/octet-stream"),
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.png", "image/png"),
        ("a", "application/octet-stream"),
    ],
)
def test_types(alice: Client, job: Any, name: str, kind: str) -> None:
    alice.upload(job["id"], "x", b"", path=f"types/{name}")
    answer = httpx.get(alice.files(job["id"], "types")[f"types/{name}"]["downloadUrl"])
    assert (answer.headers["content-type"], answer.content) == (kind, b"")


def test_a_changed_url_is_refused(url: str) -> None:
    answer = httpx.get(url[:-3] + ("aaa" if not url.endswith("aaa") else "bbb"))
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "FORBIDDEN"
    assert answer.json()["error"]["requestId"] == answer.headers["x-request-id"]


def test_a_url_is_for_its_method(url: str, signer: Signer, job: Any) -> None:
    assert httpx.put(url, content=b"x").status_code == 403
    assert httpx.get(upload_url(signer, job, "data.bin")).status_code == 403
    assert httpx.post(url).status_code == 405


def test_an_expired_url_is_refused(gateway: GatewayProcess, signer: Signer, job: Any) -> None:
    late = Signer([(gateway.config.parent / "gateway.db.key").read_text()], gateway.url, -1)
    answer = httpx.get(late.download_url(parse_job_id(job["id"]) or "", "data.bin", Identity("alice@example.org", "")))
    assert (answer.status_code, answer.json()["error"]["message"]) == (403, "This URL has expired: ask for a new one.")
    assert signer


def test_another_s_job_is_like_none(signer: Signer, job: Any, bob: Client) -> None:
    """Even a rightly signed URL looks up whose job it is."""
    key = parse_job_id(job["id"]) or ""
    foreign = httpx.get(signer.download_url(key, "data.bin", Identity("bob@example.org", "Bob")))
    missing = httpx.get(signer.download_url("0" * 32, "data.bin", Identity("bob@example.org", "Bob")))
    assert foreign.status_code == missing.status_code == 404
    assert foreign.json()["error"]["message"] == missing.json()["error"]["message"]
    assert httpx.put(upload_url(signer, job, "x", "bob@example.org"), content=b"x").status_code == 404


def test_what_is_no_file(signer: Signer, job: Any, site: SlurmSite) -> None:
    folder = f"{job['folder']}/work"
    site.run(["mkdir", f"{folder}/sub"], user="hpcgw")
    site.run(["mkfifo", f"{folder}/pipe"], user="hpcgw")
    site.run(["ln", "-s", "/etc/passwd", f"{folder}/link"], user="hpcgw")
    expected = {"sub": 400, "pipe": 400, "link": 400, "missing": 404, "link/x": 400, "../x": 400, "/etc/passwd": 400}
    for path, status in expected.items():
        url = signer.download_url(parse_job_id(job["id"]) or "", path, Identity("alice@example.org", ""))
        assert (httpx.get(url).status_code, httpx.head(url).status_code) == (status, status), path


def test_put_writes_a_whole_file(signer: Signer, job: Any, alice: Client) -> None:
    answer = httpx.put(upload_url(signer, job, "deep/er/new.bin"), content=DATA)
    assert (answer.status_code, answer.json()["file"]["size"]) == (201, len(DATA))
    entry = alice.files(job["id"], "deep/er")["deep/er/new.bin"]
    assert httpx.get(entry["downloadUrl"]).content == DATA
    assert httpx.head(entry["downloadUrl"]).headers["etag"] == answer.headers["etag"]


@pytest.mark.parametrize(("path", "status"), [("run.sh", 403), ("slurm-1.out", 403), ("../x", 400), ("", 400)])
def test_put_keeps_to_the_rules_of_paths(signer: Signer, job: Any, path: str, status: int) -> None:
    assert httpx.put(upload_url(signer, job, path), content=b"x").status_code == status


def test_a_put_beyond_the_limit_ends_before_its_first_byte(
    gateway: GatewayProcess, signer: Signer, job: Any, alice: Client
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=10)
    connection.putrequest("PUT", upload_url(signer, job, "huge").removeprefix(gateway.url))
    connection.putheader("Content-Length", str(65 * 1024**3))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()
    assert "huge" not in alice.files(job["id"])


async def test_a_put_that_breaks_off_leaves_nothing(signer: Signer, job: Any, alice: Client, site: SlurmSite) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(1024 * 1024)
            begun.set()

    async with httpx.AsyncClient() as client:
        putting = asyncio.create_task(client.put(upload_url(signer, job, "broken"), content=endless()))
        await asyncio.wait_for(begun.wait(), 10)
        putting.cancel()
        await asyncio.wait([putting])

    await until(lambda: not site.run(["ls", f"{job['folder']}/incoming"], user="hpcgw").stdout)
    assert "broken" not in alice.files(job["id"])


async def test_a_reader_that_leaves_ends_the_transfer(
    gateway: GatewayProcess, job: Any, alice: Client, site: SlurmSite
) -> None:
    """And a slow one costs no memory: nothing is read ahead of it without bound."""
    site.run(["truncate", "-s", "1G", f"{job['folder']}/work/large"], user="hpcgw")
    before = memory(gateway.pid)
    async with httpx.AsyncClient() as client:
        large = (await asyncio.to_thread(alice.files, job["id"]))["large"]["downloadUrl"]
        async with client.stream("GET", large) as answer:
            assert answer.headers["content-length"] == str(1024**3)
            parts = answer.aiter_raw(65536)  # kept: a collected one closes the answer
            await anext(parts)
            await asyncio.sleep(0.5)
            assert memory(gateway.pid) - before < 64 * 1024**2
            during = await asyncio.to_thread(agents, site)
    await until(lambda: agents(site) < during)


def memory(pid: int) -> int:
    """Bytes of memory that a process holds."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def agents(site: SlurmSite) -> int:
    """Number of agents on the login node: each transfer has its own."""
    return int(site.run(["pgrep", "-u", "hpcgw", "-c", "python3"], check=False).stdout)
