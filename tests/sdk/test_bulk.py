"""Blocking HTTP: early answers are heard, cuts are losses, proxies are those of the environment."""

import socket
import threading
from collections.abc import Iterator

import httpx
import pytest

from gql_gateway.sdk.answers import raise_for
from gql_gateway.sdk.bulk import Bulk, whole
from gql_gateway.sdk.errors import ConnectionLost, FileTooLarge

TOO_LARGE = b'{"error": {"code": "FILE_TOO_LARGE", "message": "Too large."}}'
REFUSAL = b"HTTP/1.1 413 X\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(TOO_LARGE), TOO_LARGE)


class Answers:
    """A server that answers each connection's first bytes with `answer` and closes it; `heard` are those bytes."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.heard: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            with connection:
                self.heard.append(connection.recv(2**16))
                connection.sendall(self.answer)


@pytest.fixture
def bulk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bulk]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    made = Bulk(10, httpx.create_ssl_context())
    yield made
    made.close()


def test_a_refusal_before_the_end_of_the_body_is_heard(bulk: Bulk) -> None:
    server = Answers(REFUSAL)
    body = iter([bytes(2**20)] * 64)
    answer = bulk.request("PATCH", server.url, {"Content-Length": str(64 * 2**20)}, body)
    with pytest.raises(FileTooLarge, match=r"Too large\."):
        raise_for(whole(answer, "PATCH", server.url))


def test_an_answer_that_ends_too_early_is_a_loss(bulk: Bulk) -> None:
    server = Answers(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
    with pytest.raises(ConnectionLost):
        whole(bulk.request("GET", server.url, {}), "GET", server.url)


def test_nobody_there_is_a_loss(bulk: Bulk) -> None:
    with pytest.raises(ConnectionLost):
        bulk.request("GET", "http://127.0.0.1:9/", {})


def test_the_environments_proxy_is_asked(bulk: Bulk, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = Answers(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    monkeypatch.setenv("http_proxy", proxy.url)
    assert whole(bulk.request("GET", "http://hpc.example.org/x", {}), "GET", "x").text == "ok"
    assert proxy.heard[0].startswith(b"GET http://hpc.example.org/x ")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    direct = Answers(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ndirect")
    assert whole(bulk.request("GET", f"{direct.url}/y", {}), "GET", "y").text == "direct"
    assert direct.heard[0].startswith(b"GET /y ")
