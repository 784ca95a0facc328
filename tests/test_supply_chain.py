"""Licences, known vulnerabilities and base images: what the project builds on.

The databases of vulnerabilities cannot be asked offline, so in their place a server here answers in their words: what
uv and npm ask, and what comes of an answer, is real.
"""

import gzip
import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from scripts import supply_chain
from scripts.supply_chain import allowed, audited_by_npm, audited_by_uv, locked, not_allowed

PROJECT = Path(__file__).parent.parent
FLAW = {
    "id": "PYSEC-2026-1", "modified": "2026-01-01T00:00:00Z", "summary": "It is made up.",
    "affected": [{"package": {"name": "httpx", "ecosystem": "PyPI"}, "versions": [locked()["httpx"]]}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "held"),
    [
        ("MIT", True),
        ("MIT License", True),
        ("Apache-2.0 OR GPL-3.0-only", True),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", True),
        ("GPL-3.0-only AND (Apache-2.0 OR MIT)", False),
        ("GPL-3.0-only", False),
        ("MIT AND GPL-3.0-only", False),
        ("Mozilla Public License 2.0 (MPL 2.0)", True),
        ("", False),
    ],
)
def test_a_licence_is_allowed_where_one_may_choose_it(expression: str, held: bool) -> None:
    assert allowed(expression) is held


def test_every_locked_package_has_one() -> None:
    assert len(locked()) > 50
    assert not_allowed(list(locked())) == []


class Database(BaseHTTPRequestHandler):
    """Speaks OSV's API, and npm's of advisories; knows of one flaw in each."""

    flaw: str
    asked: dict[str, Any]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        question = json.loads(gzip.decompress(body) if "Content-Encoding" in self.headers else body)
        self.asked[self.path] = question
        if self.path.endswith("/querybatch"):
            names = [one["package"]["name"] for one in question["queries"]]
            self.say({"results": [{"vulns": [FLAW]} if name == self.flaw else {} for name in names]})
        elif self.flaw in question:
            self.say({self.flaw: [{
                "id": 1, "url": "https://example.org", "title": "It is made up.", "severity": "high",
                "vulnerable_versions": "*",
            }]})  # fmt: skip
        else:
            self.say({})

    def do_GET(self) -> None:
        """A flaw in full; or a package of npm's, which is asked for its versions."""
        name = unquote(self.path.strip("/"))
        self.say(FLAW if "vulns" in name else {"name": name, "versions": {"6.4.2": {"version": "6.4.2"}}})

    def say(self, answer: object) -> None:
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Database]]:
    class Known(Database):
        flaw, asked = "", {}

    with ThreadingHTTPServer(("127.0.0.1", 0), Known) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        monkeypatch.setenv("OSV_URL", url)
        monkeypatch.setitem(supply_chain.QUICK, "npm_config_registry", url)
        yield Known
        server.shutdown()


def test_every_locked_package_of_python_is_asked_about(database: type[Database]) -> None:
    assert audited_by_uv()

    asked = {one["package"]["name"]: one["version"] for one in database.asked["/v1/querybatch"]["queries"]}
    assert asked.items() >= locked().items()  # and what they need on other systems


def test_a_known_vulnerability_fails_the_check(database: type[Database], capsys: pytest.CaptureFixture[str]) -> None:
    database.flaw = "httpx"

    assert not audited_by_uv()

    assert "PYSEC-2026-1" in capsys.readouterr().out


@pytest.mark.parametrize(("flaw", "good"), [("", True), ("graphql-ws", False)])
def test_the_packages_of_node_are_asked_about(database: type[Database], flaw: str, good: bool) -> None:
    database.flaw = flaw

    assert audited_by_npm() is good

    (asked,) = database.asked.values()
    assert len(asked) > 100


def test_who_cannot_be_asked_is_skipped_with_a_notice(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = "http://127.0.0.1:9/"
    monkeypatch.setenv("OSV_URL", nobody)
    monkeypatch.setitem(supply_chain.QUICK, "npm_config_registry", nobody)

    assert audited_by_uv()
    assert audited_by_npm()

    assert capsys.readouterr().out.count("SKIPPED known vulnerabilities of") == 2


def test_every_image_is_named_by_its_digest() -> None:
    images = re.findall(r"^FROM (\S+)", (PROJECT / "Dockerfile").read_text(), re.MULTILINE)
    assert len(set(images)) == 1, "both stages have one Python"
    images += re.findall(r"^ +image: (\S+)", (PROJECT / "compose.yaml").read_text(), re.MULTILINE)
    for image in images:
        assert re.fullmatch(r"[a-z]+:[0-9][a-z0-9.-]+@sha256:[0-9a-f]{64}", image), image
