"""Secrets: looked for in the log, in what the gateway answers, in its metrics, and in every process's arguments.

It runs last, so that what all other attacks had logged is there.
"""

from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.attack.tally import Tally
from tests.attack.world import World

VALUE = "variable-of-a-job-5f0c2a77"
CONTENT = "content-of-a-file-1d9e6b40"


def secrets(world: World) -> dict[str, str]:
    """What must stand nowhere."""
    key = Path(world.gateway.store.partition("///")[2] + ".key")
    ssh = "".join(world.site.private_key.read_text().splitlines()[1:-1])
    return {
        "token": world.attacker.token or "",
        "victim's token": world.victim.token or "",
        "signing key": key.read_text().strip(),
        "ssh key": ssh[:60],
        "variable": VALUE,
        "file": CONTENT,
        "victim's file": world.secret,
    }


def attack(world: World, tally: Tally) -> None:
    """Have secrets pass in every way, then look for them."""
    job = world.attacker.create_job("echo up; sleep 600", environment=[{"name": "SECRET", "value": VALUE}])
    world.attacker.upload(job["id"], "x", CONTENT.encode(), "x")
    url = world.attacker.files(job["id"])["x"]["downloadUrl"]
    world.attacker.launch(job["id"])
    world.attacker.wait(job["id"], lambda one: one["state"] == "RUNNING", 60)
    httpx.get(url)
    said = "".join(provoke(world, url))
    found = {
        "log": world.gateway.log.read_text(),
        "metrics": httpx.get(f"{world.gateway.url}/metrics").text,
        "errors": said,
        "arguments": "\n".join(arguments()),
        "configuration shown": httpx.get(f"{world.gateway.url}/readyz").text,
    }
    wanted = secrets(world) | {"signed URL": url.rpartition("/")[2]}
    for place, text in found.items():
        for name, secret in wanted.items():
            where = text.find(secret)
            tally.hold(f"in {place}", not secret or where < 0, f"{name}: …{text[max(0, where - 80) : where]}")
    tally.hold("log is there", '"event":"request"' in found["log"])
    world.attacker.cancel(job["id"])


def provoke(world: World, url: str) -> Iterator[str]:
    """Answers to requests that fail in many ways, with secrets in them."""
    base, token = world.gateway.url, world.attacker.token or ""
    for headers in ({"Authorization": f"Basic {token}"}, {"Authorization": f"Bearer {token[:-1]}"},
                    {"Authorization": token}, {"Cookie": f"token={token}"}, {"X-Request-ID": "<script>"}):  # fmt: skip
        yield httpx.post(f"{base}/graphql", json={"query": "{ me { id } }"}, headers=headers).text
    for text in ("{ me { nothing } }", "{", "query($a: Nothing) { me { id } }", '{ job(id: "x") { id } }'):
        yield world.attacker.post(text, a=VALUE).text
    for path in ("/nothing", "/files/x", "/uploads/x", "/graphql?query={me{id}}"):
        yield httpx.get(base + path, headers={"Authorization": f"Bearer {token}"}).text
    yield httpx.get(url + "x").text
    yield httpx.put(url, content=CONTENT).text


def arguments() -> Iterator[str]:
    """Arguments of all processes of this machine, those of the site's too."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            yield (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
