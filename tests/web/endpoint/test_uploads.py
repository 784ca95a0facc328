"""Multipart requests: what is malformed is told, and what is not goes through without resting anywhere."""

import asyncio
import json
import socket
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gql_gateway.core.errors import BadRequest
from gql_gateway.store.tables import Job
from gql_gateway.web.multipart import MultipartReader, Part
from tests.web.endpoint.running import Running

MIB = 1024 * 1024
QUERY = (
    "mutation($file: Upload!) { upload(input: {jobId: %s, file: $file}) "
    "{ file { path size } userErrors { code field } } }"
)
_NOTHING = object()


def query(job: Job) -> str:
    return QUERY % json.dumps(f"job_{job.id}")


def operations(job: Job, **variables: object) -> dict[str, Any]:
    return {"query": query(job), "variables": variables or {"file": None}}


async def post(client: httpx.AsyncClient, gateway: Running, *parts: tuple[str, Any]) -> httpx.Response:
    """Send parts in their order; what is neither text nor a file is sent as JSON."""
    files = [(name, value if isinstance(value, tuple) else (None, as_text(value))) for name, value in parts]
    return await client.post(gateway.endpoint, files=files)


def as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


async def test_a_file_is_put_under_its_name(client: httpx.AsyncClient, gateway: Running, job: Job) -> None:
    answer = await post(
        client,
        gateway,
        ("operations", operations(job)),
        ("map", {"0": ["variables.file"]}),
        ("0", ("Größe \u4f60.txt", b"x" * 100)),
    )
    assert answer.json()["data"]["upload"] == {"file": {"path": "Größe \u4f60.txt", "size": 100}, "userErrors": []}


async def test_several_files_go_to_several_mutations_in_their_order(
    client: httpx.AsyncClient, gateway: Running, job: Job
) -> None:
    job = json.dumps(f"job_{job.id}")
    text = (
        "mutation($a: Upload!, $b: Upload!) {"
        f'a: upload(input: {{jobId: {job}, file: $a, path: "d/a"}}) {{ file {{ size }} }}'
        f'gone: upload(input: {{jobId: "job_0", file: $b, path: "gone"}}) {{ userErrors {{ code }} }}'
        f'b: upload(input: {{jobId: {job}, file: $b, path: "d/b"}}) {{ file {{ size }} }}'
        "}"
    )
    answer = await post(
        client,
        gateway,
        ("operations", {"query": text, "variables": {"a": None, "b": None}}),
        ("map", {"1": ["variables.a"], "2": ["variables.b"]}),
        ("1", ("a", b"a" * 10)),
        ("2", ("b", b"b" * 20)),
    )
    assert answer.json() == {
        "data": {
            "a": {"file": {"size": 10}},
            "gone": {"userErrors": [{"code": "NOT_FOUND"}]},
            "b": {"file": {"size": 20}},
        }
    }
    assert gateway.shelf.sizes == {"d/a": 10, "d/b": 20}


@pytest.mark.parametrize("name", ["../x", "/etc/x", "run.sh", "./run.sh", "a/../run.sh", "x" * 300, "a\\..\\b\x01"])
async def test_a_name_that_is_not_allowed_is_the_payloads_matter(
    client: httpx.AsyncClient, gateway: Running, job: Job, name: str
) -> None:
    text = query(job).replace("file: $file", f"file: $file, path: {json.dumps(name)}")
    answer = await post(
        client,
        gateway,
        ("operations", {"query": text, "variables": {"file": None}}),
        ("map", {"0": ["variables.file"]}),
        ("0", ("x", b"x")),
    )
    (error,) = answer.json()["data"]["upload"]["userErrors"]
    assert error["code"] in {"PATH_NOT_ALLOWED", "FILE_PROTECTED"}
    assert error["field"] == ["input", "path"]
    assert gateway.shelf.sizes == {}


MALFORMED: list[tuple[Any, Any, Any, str]] = [
    ("{", {"0": ["variables.file"]}, b"x", "JSON"),
    ("5", {"0": ["variables.file"]}, b"x", "`operations` must be one GraphQL request"),
    ("[]", {"0": ["variables.file"]}, b"x", "`operations` must be one GraphQL request"),
    (None, "{", b"x", "JSON"),
    (None, [["variables.file"]], b"x", "`map` must be a JSON object"),
    (None, "7", b"x", "`map` must be a JSON object"),
    (None, {"0": "variables.file"}, b"x", "list of one path"),
    (None, {"0": []}, b"x", "list of one path"),
    (None, {"0": [5]}, b"x", "list of one path"),
    (None, {"0": ["variables.file", "variables.other"]}, b"x", "several places"),
    (None, {"0": ["variables.nothing"]}, b"x", "leads nowhere"),
    (None, {"0": ["variables.file.deep"]}, b"x", "leads nowhere"),
    (None, {"0": ["variables"]}, b"x", "does not begin with"),
    (None, {"0": ["query"]}, b"x", "does not begin with"),
    (None, {"0": ["variables.text"]}, b"x", "must be a null"),
    (None, {"0": ["variables.text.0"]}, b"x", "leads nowhere"),
    (None, {"0": ["variables.file"]}, None, "'0' is missing"),
    (None, {"1": ["variables.file"]}, b"x", "'1' is missing"),
    (None, _NOTHING, b"x", "has the parts"),
    (_NOTHING, {"0": ["variables.file"]}, b"x", "has the parts"),
    ("x" * 20_000, {"0": ["variables.file"]}, b"x", "more than 10000 bytes"),
]


@pytest.mark.parametrize(("said", "placed", "content", "words"), MALFORMED)
async def test_a_malformed_request_is_told_what_is_wrong(
    client: httpx.AsyncClient, gateway: Running, job: Job, said: Any, placed: Any, content: bytes | None, words: str
) -> None:
    said = operations(job, file=None, text="text") if said is None else said
    parts: list[tuple[str, Any]] = [("operations", said), ("map", placed), ("0", content and ("x", content))]
    answer = await post(client, gateway, *(part for part in parts if part[1] is not _NOTHING and part[1] is not None))
    (error,) = answer.json()["errors"]
    assert words in error["message"]
    too_large = words.startswith("more than")
    assert answer.status_code == (413 if too_large else 400)
    assert error["extensions"]["code"] == ("LIMIT_EXCEEDED" if too_large else "BAD_REQUEST")


@pytest.mark.parametrize("value", ["text", 5, {}, None])
async def test_what_is_no_file_is_no_upload(
    client: httpx.AsyncClient, gateway: Running, job: Job, value: object
) -> None:
    plain = await client.post(gateway.endpoint, json=operations(job, file=value))
    assert "file" in plain.json()["errors"][0]["message"]
    multipart = await post(client, gateway, ("operations", operations(job, file=value)), ("map", {}))
    assert multipart.status_code == 400
    assert gateway.shelf.sizes == {}


async def test_a_file_is_used_once(client: httpx.AsyncClient, gateway: Running, job: Job) -> None:
    job = json.dumps(f"job_{job.id}")
    twice = "".join(
        f'{name}: upload(input: {{jobId: {job}, file: $f, path: "{name}"}}) {{ file {{ size }} }} ' for name in "ab"
    )
    answer = await post(
        client,
        gateway,
        ("operations", {"query": f"mutation($f: Upload!) {{ {twice} }}", "variables": {"f": None}}),
        ("map", {"0": ["variables.f"]}),
        ("0", ("x", b"x")),
    )
    assert answer.json()["data"] == {"a": {"file": {"size": 1}}, "b": None}
    assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
    assert gateway.shelf.sizes == {"a": 1}


async def test_a_page_of_another_site_cannot_upload_with_a_form(gateway: Running, job: Job) -> None:
    parts = {"operations": (None, '{"query": "{ heartbeat { ok } }"}'), "map": (None, "{}")}
    async with httpx.AsyncClient() as client:
        form = await client.post(gateway.endpoint, files=parts)
        asked = await client.post(gateway.endpoint, files=parts, headers={"GraphQL-Require-Preflight": "1"})
    assert (form.status_code, asked.status_code) == (400, 200)
    assert "graphql-require-preflight" in form.json()["errors"][0]["message"]


async def test_without_a_token_no_file_is_waited_for(gateway: Running, job: Job) -> None:
    opening = multipart_opening(query(job))
    async with asyncio.timeout(10), httpx.AsyncClient(headers={"GraphQL-Require-Preflight": "1"}) as client:
        answer = await client.post(gateway.endpoint, content=opening + b"x\r\n--b--\r\n", headers=MULTIPART)
    assert answer.status_code == 401


MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}


def multipart_opening(text: str) -> bytes:
    """A multipart request up to its file's first byte."""
    parts = (
        ("operations", "", json.dumps({"query": text, "variables": {"file": None}})),
        ("map", "", '{"0": ["variables.file"]}'),
        ("0", '; filename="big"', ""),
    )
    return "\r\n".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n{content}' for name, more, content in parts
    ).encode()


async def test_a_large_file_rests_neither_in_memory_nor_on_disk(
    client: httpx.AsyncClient, gateway: Running, job: Job
) -> None:
    on_the_way: set[str] = set()
    size, block = 256 * MIB, b"\r\n--" + b"x" * (MIB - 4)

    async def body() -> AsyncIterator[bytes]:
        yield multipart_opening(query(job))
        for _ in range(size // MIB):
            yield block
        on_the_way.update(files_at_rest())
        yield b"\r\n--b--\r\n"

    await client.get(gateway.endpoint, params={"query": "{ heartbeat { ok } }"})
    before, resting = memory("VmRSS"), files_at_rest()
    forget_peak()
    answer = await client.post(gateway.endpoint, content=body(), headers=MULTIPART, timeout=60)
    assert answer.json()["data"]["upload"]["file"] == {"path": "big", "size": size}
    assert memory("VmHWM") - before < 64 * MIB
    assert on_the_way <= resting


def memory(kind: str) -> int:
    """Memory of this process, server and client, in bytes."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(kind)]
    return int(line.split()[1]) * 1024


def forget_peak() -> None:
    """Let VmHWM be the peak from now on."""
    Path("/proc/self/clear_refs").write_text("5")


def files_at_rest() -> set[str]:
    """Temporary files that this process has open, also those without a name."""
    links = (str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink())
    return {link for link in links if link.startswith(tempfile.gettempdir())}


@pytest.mark.parametrize("ending", [b"xx", b"x" * MIB, b"x" * MIB + b"\r\n--b"])
async def test_a_client_that_leaves_in_the_middle_breaks_the_upload_off(
    gateway: Running, job: Job, ending: bytes
) -> None:
    head = f"POST /graphql HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.token}\r\n"
    head += f"Content-Type: {MULTIPART['Content-Type']}\r\nContent-Length: {10 * MIB}\r\n\r\n"
    host, _, port = gateway.url.removeprefix("http://").partition(":")
    _, writer = await asyncio.open_connection(host, int(port), family=socket.AF_INET)
    writer.write(head.encode() + multipart_opening(query(job)) + ending)
    async with asyncio.timeout(10):
        await gateway.shelf.begun.wait()
        writer.close()
        await gateway.shelf.over.wait()
    assert gateway.shelf.broken == ["The request broke off."]
    assert gateway.shelf.sizes == {}


async def test_a_body_that_ends_too_early_is_no_file(client: httpx.AsyncClient, gateway: Running, job: Job) -> None:
    answer = await client.post(gateway.endpoint, content=multipart_opening(query(job)) + b"half", headers=MULTIPART)
    assert answer.json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
    assert gateway.shelf.sizes == {}
    assert len(gateway.shelf.broken) == 1


@given(contents=st.lists(st.binary(max_size=200), min_size=1, max_size=4), size=st.integers(1, 50))
def test_parts_come_out_as_they_went_in_however_they_are_cut(contents: list[bytes], size: int) -> None:
    body = b"".join(
        b'--zzz-%d\r\nContent-Disposition: form-data; name="%d"; filename="f%d"\r\n\r\n%b\r\n'
        % (0, number, number, one)
        for number, one in enumerate(contents)
    )
    asyncio.run(comes_out(body + b"--zzz-0--\r\n", contents, size))


async def comes_out(body: bytes, contents: list[bytes], size: int) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), size):
            yield body[start : start + size]

    reader = MultipartReader("multipart/form-data; boundary=zzz-0", pieces())
    for number, content in enumerate(contents):
        assert await reader.next_part() == Part(str(number), f"f{number}")
        assert await reader.text(1000) == content
    assert await reader.next_part() is None


@pytest.mark.parametrize("content_type", ["multipart/form-data", 'multipart/form-data; boundary=""'])
async def test_a_boundary_is_needed(content_type: str) -> None:
    async def nothing() -> AsyncIterator[bytes]:
        yield b""

    with pytest.raises(BadRequest, match="boundary"):
        MultipartReader(content_type, nothing())
