"""Doors: every route and method of the application's own route table, as the attacker on the victim's objects.

The table is that of the application which the gateway's configuration makes, so a route that is new is attacked here,
or fails as one without a rule. What takes an id, in a parameter or under the gateway's signature, is asked for the
victim's and for one that does not exist; what takes none must say the same to everybody.
"""

import http.client
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from gql_gateway.cluster.parts import Part
from gql_gateway.core.identity import Identity, Role
from gql_gateway.core.ids import new_id
from gql_gateway.core.paths import parse_writable
from gql_gateway.services.uploads import Ticket
from gql_gateway.settings import load
from gql_gateway.web.app import create_app
from gql_gateway.web.signing import Signer
from gql_gateway.web.tickets import TicketSigner
from tests.attack.tally import Tally
from tests.attack.twins import compare, leaked, words
from tests.attack.world import World

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
PROXY = "/api/applications/proxy/{id}"
TUS = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
NOT_HERE = {400, 401, 403, 404, 405, 501}

Door = tuple[str, str]
Attack = Callable[[World, Tally, str, str], None]


def table(world: World) -> set[Door]:
    """Every route and method there is; a mounted folder is one, and so is what takes every method."""
    app = create_app(load(world.gateway.config, {}), ("k" * 40,)).asgi
    return {door for route in app._app.routes for door in doors_of(route)}  # type: ignore[attr-defined]


def doors_of(route: BaseRoute) -> list[Door]:
    match route:
        case Route():
            return [(method, route.path) for method in route.methods or ("ANY",)]
        case WebSocketRoute():
            return [("WEBSOCKET", route.path)]
        case Mount():
            return [("MOUNT", route.path)]
    raise AssertionError(f"{route} is of a kind without a rule")


def walk(world: World, tally: Tally) -> None:
    """Try every door."""
    found = table(world)
    for door in found ^ DOORS.keys():
        tally.hold("route table", held=False, seen=f"{door} has no attack, or is no longer there")
    for (method, path), tried in DOORS.items():
        tried(world, tally, method, path)
    for path in {path for _, path in found}:
        known = {method for method, one in found if one == path}
        for method in () if known & {"ANY", "MOUNT"} else set(METHODS) - known:
            answer = world.attacker.http.request(method, filled(path))
            tally.hold("other method", answer.status_code in NOT_HERE and not leaked(world, answer.text), answer)


def filled(path: str) -> str:
    return path.replace("{id}", "x").replace("{signed}", "x.y")


# -- what takes nobody's id ------------------------------------------------------------------------------------------


def open_to_all(world: World, tally: Tally, method: str, path: str) -> None:
    """The same for nobody, for the victim and for the attacker."""
    address = f"{path}/dashboard.js" if method == "MOUNT" else filled(path)
    method = "GET" if method == "MOUNT" else method
    answers = [client.request(method, f"{world.gateway.url}{address}") for client in callers(world)]
    tally.hold("open door", answers[0].status_code < 300 and not any(leaked(world, one.text) for one in answers))
    if path not in {"/metrics", "/readyz", f"{PROXY}/heartbeat"}:  # which change by the moment
        tally.hold("open door alike", len({words(answer) for answer in answers}) == 1, answers)


def callers(world: World) -> tuple[httpx.Client, ...]:
    return world.nobody, world.victim.http, world.attacker.http


def outside_files(world: World, tally: Tally, method: str, path: str) -> None:
    """A mounted folder holds the pages' files and nothing else."""
    open_to_all(world, tally, method, path)
    for way in ("../app.py", "..%2fapp.py", "%2e%2e/app.py", "/etc/passwd", "//etc/passwd", "..", "x%00y", "."):
        connection = http.client.HTTPConnection("127.0.0.1", world.gateway.port, timeout=10)
        connection.request("GET", f"{path}/{way}")  # as it stands: httpx would tidy the path
        answer = connection.getresponse()
        tally.hold("out of the folder", answer.status in NOT_HERE and b"import" not in answer.read(), way)
        connection.close()


def own_answer(world: World, tally: Tally, method: str, path: str) -> None:
    """Takes nobody's id: the answer is the caller's own."""
    given = {"name": "x", "image": "/opt/img/busybox.sif", "command": "true", "job_name": "x", "executable_cmd": "x"}
    answer = world.attacker.http.request(method, filled(path), json=given)
    tally.hold("own answers", not leaked(world, answer.text) and answer.status_code < 500, answer.text)
    refused = world.nobody.request(method, f"{world.gateway.url}{filled(path)}", json=given)
    tally.hold("without a token", refused.status_code == 401, refused.text)


# -- what takes a job's id -------------------------------------------------------------------------------------------


def by_parameter(world: World, tally: Tally, method: str, path: str) -> None:
    """The MarketPlace's operations."""
    content: dict[str, Any] = {"files": {"file": ("x", b"forged")}} if method == "PUT" else {}
    for more in ({}, {"filename": "x"}, {"filename": "run.sh"}, {"filename": "../x"}):

        def ask(job: str, more: dict[str, str] = more) -> str:
            parameters = {"jobid": job, **more}
            return words(world.attacker.http.request(method, filled(path), params=parameters, **content))

        compare(world, tally, f"{method} {path} {more}", ask, world.victims_job["id"])


def signing_key(world: World) -> str:
    return Path(world.gateway.store.partition("///")[2] + ".key").read_text().strip()


def attackers_identity(world: World) -> Identity:
    email = world.attacker.create_user()["email"]
    return Identity(email=email, name=email, role=Role.USER, credential="x")


def by_signature(world: World, tally: Tally, method: str, path: str) -> None:
    """A URL that the gateway itself would have signed for the attacker."""
    signer = Signer((signing_key(world),), world.gateway.url, 600)
    sign = {"/archives/{signed}": signer.archive_url, "/files/{signed}": signer.download_url}[path]
    sign = signer.upload_url if method == "PUT" else sign
    who = attackers_identity(world)
    for file in ("", "x", "c", "run.sh", "../x"):

        def ask(job: str, file: str = file) -> str:
            content = {"content": b"forged"} if method == "PUT" else {}
            return words(world.nobody.request(method, sign(job.removeprefix("job_"), file, who), **content))

        compare(world, tally, f"{method} {path} {file}", ask, world.victims_job["id"])


def by_ticket(world: World, tally: Tally, method: str, path: str) -> None:
    """The URL of an upload that the attacker never could begin."""
    signer, who = TicketSigner((signing_key(world),), world.gateway.url), attackers_identity(world)
    part = Part(new_id(), parse_writable("x"), 6, None, overwrite=True)

    def ask(job: str) -> str:
        url = signer.url(Ticket(job.removeprefix("job_"), part, int(time.time()) + 600), who)
        content = {"content": b"forged"} if method == "PATCH" else {}
        return words(world.nobody.request(method, url, headers=TUS, **content))

    compare(world, tally, f"{method} {path}", ask, world.victims_job["id"])


# -- GraphQL ---------------------------------------------------------------------------------------------------------


def graphql(world: World, tally: Tally, _: str, path: str) -> None:
    """Methods that are none of GraphQL's; what a query says is tried field by field in tenants.py."""
    for method in ("PATCH", "DELETE", "TRACE", "OPTIONS"):  # PUT reserves a stream: see below
        answer = world.attacker.http.request(method, path, json={"query": "{ me { id } }"})
        tally.hold("other method", answer.status_code in NOT_HERE, answer.text)
    for mutation in (
        "mutation { createUser { user { id } } }",
        "query A { me { id } } mutation B { createUser { user { id } } }",
    ):
        answer = world.attacker.http.get(path, params={"query": mutation, "operationName": "B"})
        tally.hold("no mutation by GET", '"createUser"' not in answer.text and answer.status_code >= 400, answer.text)
    form = httpx.post(
        f"{world.gateway.url}{path}",
        data={"query": "{ me { id } }"},
        headers={"Authorization": f"Bearer {world.attacker.token}"},
    )
    tally.hold("no plain form", form.status_code >= 400, form.text)
    reserved_stream(world, tally, path)


def reserved_stream(world: World, tally: Tally, path: str) -> None:
    """A stream that the victim reserved for its events: to be read, to be written to, to have operations ended."""
    refused = world.nobody.put(f"{world.gateway.url}{path}")
    tally.hold("no stream without a token", refused.status_code == 401, refused.text)
    victims, unknown = world.victim.http.put(path).text, "x" * 32
    operation = {"query": "{ me { id } }", "extensions": {"operationId": "1"}}
    for method, content in (("GET", {}), ("POST", {"json": operation}), ("DELETE", {"params": {"operationId": "1"}})):
        said = [
            words(world.attacker.http.request(method, path, headers={"X-GraphQL-Event-Stream-Token": token}, **content))
            for token in (victims, unknown)
        ]
        tally.hold("another's stream", said[0] == said[1] and said[0].startswith("404"), (method, said))


def socket(world: World, tally: Tally, _: str, path: str) -> None:
    """Who does not say who they are; what a query says is tried field by field in tenants.py."""
    url = world.gateway.url.replace("http", "ws", 1) + path
    for hello in (
        {},
        {"Authorization": "Bearer x"},
        {"Authorization": f"Basic {world.attacker.token}"},
        {"token": world.attacker.token},
    ):
        with connect(url, subprotocols=[Subprotocol("graphql-transport-ws")], proxy=None) as one:
            with suppress(ConnectionClosed):
                one.send(json.dumps({"type": "connection_init", "payload": hello}))
                one.send(json.dumps({"id": "1", "type": "subscribe", "payload": {"query": "{ me { id } }"}}))
                while one.close_code is None:
                    said = one.recv(10)
                    tally.hold("nothing said without a token", '"me": {' not in str(said), (hello, said))
            tally.hold("socket without a token", one.close_code in {4401, 4403}, (hello, one.close_code))


DOORS: Mapping[Door, Attack] = {
    ("GET", "/"): open_to_all,
    ("HEAD", "/"): open_to_all,
    ("MOUNT", "/static"): outside_files,
    **{(method, path): open_to_all for path in ("/healthz", "/readyz", "/metrics") for method in ("GET", "HEAD")},
    **{(method, "/files/{signed}"): by_signature for method in ("GET", "HEAD", "PUT")},
    **{(method, "/archives/{signed}"): by_signature for method in ("GET", "HEAD")},
    ("OPTIONS", "/uploads/{signed}"): open_to_all,
    **{(method, "/uploads/{signed}"): by_ticket for method in ("HEAD", "PATCH", "DELETE")},
    ("ANY", "/graphql"): graphql,
    ("WEBSOCKET", "/graphql"): socket,
    **{(method, f"{PROXY}/heartbeat"): open_to_all for method in ("GET", "HEAD")},
    **{(method, "/api/applications/{id}"): own_answer for method in ("GET", "HEAD")},
    ("PUT", f"{PROXY}/createOrUpdateCollection"): own_answer,
    ("POST", f"{PROXY}/newTransformation"): own_answer,
    **{(method, f"{PROXY}/getTransformationState"): by_parameter for method in ("GET", "HEAD")},
    **{(method, f"{PROXY}/getDataset"): by_parameter for method in ("GET", "HEAD")},
    ("PATCH", f"{PROXY}/updateTransformation"): by_parameter,
    ("DELETE", f"{PROXY}/deleteTransformation"): by_parameter,
    ("PUT", f"{PROXY}/createDataset"): by_parameter,
    ("DELETE", f"{PROXY}/deleteDataset"): by_parameter,
}
