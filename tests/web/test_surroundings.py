"""Around every request: ids, headers, errors as JSON, and what never gets into a log."""

import json
import socket
from pathlib import Path

import httpx
import pytest

from demo.gateway import GatewayProcess
from gql_gateway.web.middleware import SECURITY_HEADERS
from tests.client import Client


def test_a_request_has_an_id(gateway: GatewayProcess) -> None:
    mine = httpx.get(f"{gateway.url}/healthz", headers={"X-Request-ID": "mine-1.2_3"})
    assert mine.headers["x-request-id"] == "mine-1.2_3"
    for odd in ("a b", "x" * 65, "a\tb", "ä"):
        given = httpx.get(f"{gateway.url}/healthz", headers={"X-Request-ID": odd.encode()})
        assert given.headers["x-request-id"] not in {odd, ""}
    one, two = (httpx.get(f"{gateway.url}/healthz").headers["x-request-id"] for _ in range(2))
    assert one != two


@pytest.mark.parametrize("path", ["/healthz", "/nothing", "/files/x", "/graphql", "/static/nothing", "/metrics"])
def test_every_answer_has_the_security_headers(gateway: GatewayProcess, path: str) -> None:
    answer = httpx.get(gateway.url + path)
    assert {name: answer.headers[name] for name in SECURITY_HEADERS} == dict(SECURITY_HEADERS)


def test_errors_are_json(gateway: GatewayProcess) -> None:
    for method, path, status, code in [
        ("GET", "/nothing", 404, "NOT_FOUND"),
        ("POST", "/healthz", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/files/x", 403, "FORBIDDEN"),
    ]:
        answer = httpx.request(method, gateway.url + path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert answer.json()["error"]["requestId"] == answer.headers["x-request-id"]


def test_no_page_elsewhere_may_read_an_answer(gateway: GatewayProcess) -> None:
    answer = httpx.options(
        f"{gateway.url}/graphql",
        headers={"Origin": "https://other.example", "Access-Control-Request-Method": "POST"},
    )
    assert "access-control-allow-origin" not in answer.headers


def test_a_request_is_not_logged_as_that_of_who_asked_before_on_its_connection(
    gateway: GatewayProcess, alice: Client
) -> None:
    """Also where it was sent before the first one was answered: uvicorn then begins it in the first one's context."""
    body = b'{"query":"{ heartbeat { ok } }"}'
    head = b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nX-Request-ID: %s\r\n"
    length = b"Content-Length: %d\r\n" % len(body)
    hers = head % b"of-alice" + b"Authorization: Bearer %s\r\n" % str(alice.token).encode()
    with socket.create_connection(("127.0.0.1", int(gateway.url.rpartition(":")[2])), 20) as connection:
        connection.sendall(hers + length + b"\r\n" + body)
        connection.sendall(head % b"of-nobody" + length + b"Connection: close\r\n\r\n" + body)
        while connection.recv(65536):
            pass
    lines = [json.loads(line) for line in Path(gateway.log).read_text().splitlines() if line.startswith("{")]
    users = {line["request_id"]: line.get("user") for line in lines if line["event"] == "request"}
    assert users["of-alice"]
    assert users["of-nobody"] is None


def test_logs_tell_and_keep_secrets(gateway: GatewayProcess, alice: Client) -> None:
    job = alice.create_job("echo secret-of-the-job")
    alice.upload(job["id"], "a", b"secret-of-the-file")
    url = alice.files(job["id"])["a"]["downloadUrl"]
    assert httpx.get(url, headers={"X-Request-ID": "the-download"}).content == b"secret-of-the-file"
    httpx.post(
        f"{gateway.url}/graphql", headers={"Authorization": "Bearer gqlgw_secret"}, json={"query": "{ me { id } }"}
    )
    text = Path(gateway.log).read_text()
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    (request,) = [line for line in lines if line["event"] == "request" and line["request_id"] == "the-download"]
    assert (request["route"], request["status"], request["sent"]) == ("/files/{signed}", 200, 18)
    uploaded = next(line for line in lines if line["event"] == "uploaded" and line["job"] in job["id"])
    assert (uploaded["user"], uploaded["level"]) == ("alice@example.org", "info")
    assert any(line["event"] == "remote" and line["command"] == "write" and line["seconds"] > 0 for line in lines)
    for secret in (alice.token or "", url.rpartition("/")[2], "gqlgw_secret", "secret-of-the"):
        assert secret not in text
