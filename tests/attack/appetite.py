"""Appetite: every limit, met by somebody who asks for more, and by clients that are slow on purpose.

A gateway of its own has small limits. Each refusal must say LIMIT_EXCEEDED (a file's own size: FILE_TOO_LARGE) and the
limit in words; whoever is slow must be cut, and others served meanwhile.
"""

import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx

from demo.gateway import GatewayProcess
from tests.attack.tally import Tally
from tests.attack.world import World
from tests.client import Client

MIB = 2**20
LIMITS = f"""
[limits]
active_jobs = 2
upload_bytes = {MIB}
job_bytes = {3 * MIB}
user_bytes = {5 * MIB}
transfers = 2
request_bytes = 16384
head_bytes = 8192
head_seconds = 1
stall_seconds = 2
requests_per_minute = 1000
subscriptions = 3
"""
QUERIES = {
    "16": "{ me " + "{ jobs { nodes { owner " * 6 + "{ id }" + " } } }" * 6 + " }",
    "50": "{" + " ".join(f"a{n}: heartbeat {{ ok }}" for n in range(51)) + "}",
    "4000": "{ heartbeat { " + "ok " * 4000 + "} }",
    "100000": "{ jobs(first: 200) { nodes { events(first: 200) { nodes { id: cursor at state } } } } }",
    "20000": "{" + "heartbeat { ok } " * 900 + "}",
    "200": "{ jobs(first: 201) { totalCount } }",
}


@contextmanager
def greedy(world: World) -> Iterator[GatewayProcess]:
    """A gateway with small limits that tells nobody its schema."""
    folder = world.folder / "greedy"
    folder.mkdir(exist_ok=True)
    gateway = GatewayProcess(world.site, folder, more=LIMITS, cluster="poll_seconds = 2")
    text = gateway.config.read_text()
    gateway.config.write_text(text.replace("[server]\n", "[server]\nintrospection = false\ngraphiql = false\n"))
    with gateway:
        yield gateway


def attack(world: World, tally: Tally) -> None:
    """Ask for more than there is."""
    queries(world, tally)
    with greedy(world) as gateway, Client.of(gateway, f"{glutton()}@example.org") as client:
        client.create_user()
        closed(gateway, tally)
        sizes(client, tally)
        job = folders(client, tally)
        active(client, tally)
        subscriptions(client, tally)
        slow_senders(gateway, tally)
        slow_readers(client, tally, job)
        client.cancel(job["id"])
        with Client.of(gateway, "hasty@example.org") as hasty:
            rate(hasty, tally)


def glutton() -> str:
    """A name with a folder that nobody had before."""
    return "glutton" + "".join(chr(ord("a") + byte % 26) for byte in secrets.token_bytes(8))


def limited(tally: Tally, what: str, said: str, limit: object, code: str = "LIMIT_EXCEEDED") -> None:
    """A refusal that says which limit was met."""
    tally.hold(what, code in said and str(limit) in said.replace(",", ""), said)


def queries(world: World, tally: Tally) -> None:
    """Documents that ask for too much; without a token too, as nobody need have one for `heartbeat`."""
    for limit, text in QUERIES.items():
        began = time.perf_counter()
        said = world.attacker.post(text).text
        limited(tally, "query", said, limit)
        httpx.post(f"{world.gateway.url}/graphql", json={"query": text}, timeout=30)
        tally.hold("query in time", time.perf_counter() - began < 3, text[:80])


def closed(gateway: GatewayProcess, tally: Tally) -> None:
    """Introspection and the explorer are switched off."""
    for text in ("{ __schema { types { name } } }", '{ __type(name: "Job") { name } }'):
        said = httpx.post(f"{gateway.url}/graphql", json={"query": text}).text
        tally.hold("introspection", '"name"' not in said and "errors" in said, said)
    page = httpx.get(f"{gateway.url}/graphql", headers={"Accept": "text/html"})
    tally.hold("explorer", page.status_code >= 400 and "<html" not in page.text, page.text)


def sizes(client: Client, tally: Tally) -> None:
    """Bodies and heads."""
    answer = client.post("{ me { id } }" + " " * 20_000)
    limited(tally, "body", answer.text, 16384)
    tally.hold("body's status", answer.status_code == 413, answer.status_code)
    answer = httpx.get(f"{client.url}/graphql", headers={"X-Long": "x" * 300_000})
    limited(tally, "head", f"{answer.status_code} {answer.text}", 8192)
    job = client.create_job()
    payload = client.upload(job["id"], "x", b"x" * (MIB + 1), "x")
    limited(tally, "upload", str(payload), MIB, "FILE_TOO_LARGE")


def folders(client: Client, tally: Tally) -> Any:
    """What a job's folder, and a user's, may hold; also by copying what a job made look small."""
    first = client.create_job("truncate -s 1099511627776 x; echo up; dd if=/dev/zero of=big bs=1M count=64; sleep 600")
    for name in ("x", "x1", "x2"):
        tally.hold("within", not client.upload(first["id"], "x", b"x" * (MIB - 9000), name)["userErrors"])
    limited(tally, "job's folder", str(client.upload(first["id"], "x", b"x" * MIB, "more")), 3 * MIB)
    second = client.create_job()
    payloads = [client.upload(second["id"], "x", b"x" * (MIB - 9000), f"x{number}") for number in range(3)]
    limited(tally, "user's folder", str(payloads), 5 * MIB)
    client.launch(first["id"])
    client.wait(first["id"], lambda job: job["state"] == "RUNNING", 60)
    deadline = time.monotonic() + 30
    while client.files(first["id"]).get("big", {"size": 0})["size"] < 64 * MIB:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    began = time.monotonic()
    payload = client.mutate("cloneJob", "JobInput", "job { id }", jobId=first["id"])
    limited(tally, "sparse copy", str(payload), 3 * MIB)
    tally.hold("sparse copy in time", time.monotonic() - began < 20)
    return first


def active(client: Client, tally: Tally) -> None:
    """One job more than may be launched; the first one runs already."""
    client.launch(client.create_job("sleep 600")["id"])
    payload = client.mutate("launch", "JobInput", "job { id }", jobId=client.create_job("true")["id"])
    limited(tally, "active jobs", str(payload), 2)


def subscriptions(client: Client, tally: Tally) -> None:
    """One stream more than may be open."""
    body = {"query": "subscription { jobStateChanged { cursor } }"}
    with ExitStack() as stack:
        kept = []  # a collected iterator closes its stream
        for _ in range(3):
            stream = client.http.stream("POST", "/graphql", json=body, headers={"Accept": "text/event-stream"})
            kept.append(stack.enter_context(stream).iter_lines())
            next(kept[-1])
        with client.http.stream("POST", "/graphql", json=body, headers={"Accept": "text/event-stream"}) as answer:
            said = ""
            for line in answer.iter_lines():
                said += line
                if "errors" in said or "jobStateChanged" in said:
                    break
    limited(tally, "subscriptions", said, 3)


def slow_senders(gateway: GatewayProcess, tally: Tally) -> None:
    """Heads and bodies that never end; all at once, and a healthy client between them."""
    begun = {
        "silence": b"",
        "half a head": b"GET / HTTP/1.1\r\nHost: x\r\nX: ",
        "half a body": b"POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Content-Length: 9999\r\n\r\n{",
        "half a multipart": b"POST /graphql HTTP/1.1\r\nHost: x\r\nX-Requested-With: x\r\nContent-Type: "
        b"multipart/form-data; boundary=x\r\nContent-Length: 9999\r\n\r\n--x\r\n",
    }
    sockets = []
    for _ in range(25):
        for what, head in begun.items():
            one = socket.create_connection(("127.0.0.1", gateway.port))
            one.sendall(head)
            one.settimeout(15)
            sockets.append((what, one))
    tally.hold("others meanwhile", httpx.get(f"{gateway.url}/healthz", timeout=5).status_code == 200)
    for what, one in sockets:
        with one:
            tally.hold(what, ended(one))


def ended(one: socket.socket) -> bool:
    """Whether the gateway ends a connection in time."""
    try:
        while one.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def slow_readers(client: Client, tally: Tally, job: Any) -> None:
    """All of a user's transfers held by readers that do not read; the next one gets its turn when they are cut."""
    url = client.files(job["id"])["big"]["downloadUrl"]
    sockets = []
    for _ in range(2):
        one = socket.create_connection(("127.0.0.1", httpx.URL(url).port or 80))
        one.sendall(f"GET {httpx.URL(url).raw_path.decode()} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        sockets.append(one)
    began = time.monotonic()
    answer = httpx.get(url, timeout=60)
    tally.hold("slow readers", answer.status_code == 200 and len(answer.content) == 64 * MIB, answer.status_code)
    tally.hold("slow readers in time", time.monotonic() - began < 40, time.monotonic() - began)
    for one in sockets:
        one.close()


def rate(client: Client, tally: Tally) -> None:
    """More requests in a minute than there may be."""
    said = ""
    for _ in range(1100):
        answer = client.post("{ me { id } }")
        if answer.status_code == 429:
            said = answer.text
            break
    limited(tally, "rate", said, 1000)
