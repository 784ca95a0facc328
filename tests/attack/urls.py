"""Signed URLs: taken apart, changed, stretched, and used for what they are not good for."""

import base64
import json
import time
from pathlib import Path
from typing import Any

import httpx

from gql_gateway.core.identity import Identity, Role
from gql_gateway.web.signing import Signer
from tests.attack.tally import Tally
from tests.attack.world import ATTACKER, VICTIM, World

METHODS = ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
KEYS = ("k" * 40, "l" * 40)
REFUSED = {400, 401, 403, 404, 405, 410, 412, 501}


def attack(world: World, tally: Tally) -> None:
    """Every way that leads from a URL of one's own to something else."""
    job = world.attacker.create_job()
    world.attacker.upload(job["id"], "x", b"mine", "x")
    url = world.attacker.files(job["id"])["x"]["downloadUrl"]
    assert httpx.get(url).content == b"mine"
    signed = url.rpartition("/")[2]
    methods(tally, url)
    changed(world, tally, signed)
    forged(world, tally)
    elsewhere(world, tally, signed)
    expired(world, tally)


def refused(tally: Tally, what: str, answer: httpx.Response, secret: str = "secret-") -> None:
    tally.hold(what, answer.status_code in REFUSED and secret not in answer.text, f"{answer.status_code} {answer.text}")


def methods(tally: Tally, url: str) -> None:
    for method in METHODS:
        refused(tally, "other method", httpx.request(method, url, content=b"forged"))
    tally.hold("still whole", httpx.get(url).content == b"mine")


def changed(world: World, tally: Tally, signed: str) -> None:
    """Every character changed, cut off at every place, and the payload exchanged under the old signature."""
    for place in range(0, len(signed), world.every):
        other = "A" if signed[place] != "A" else "B"
        answer = httpx.get(f"{world.gateway.url}/files/{signed[:place]}{other}{signed[place + 1 :]}")
        # The last character of a signature in base64 has bits that mean nothing.
        tally.hold("one character", answer.status_code != 200 or answer.content == b"mine", answer.text)
    for place in range(0, len(signed), 7 * world.every):
        refused(tally, "cut short", httpx.get(f"{world.gateway.url}/files/{signed[:place]}"))
    payload, signature = signed.rsplit(".", 1)
    for claim in claims(world):
        raw = base64.urlsafe_b64encode(json.dumps(claim, separators=(",", ":")).encode()).rstrip(b"=").decode()
        for seal in (signature, "", payload[-len(signature) :]):
            refused(tally, "other payload", httpx.get(f"{world.gateway.url}/files/{raw}.{seal}"))


def claims(world: World) -> list[list[Any]]:
    """Permissions that nobody gave."""
    key = world.victims_job["id"].removeprefix("job_")
    later = int(time.time()) + 600
    return [["r", key, "x", VICTIM, "user", later], ["w", key, "x", VICTIM, "user", later],
            ["r", key, "x", ATTACKER, "admin", later], ["r", key, "../../x", ATTACKER, "user", later],
            ["r", key, "x", VICTIM, "user"], {}, [], None, ["r"] * 6]  # type: ignore[list-item]  # fmt: skip


def forged(world: World, tally: Tally) -> None:
    """Signed by a key of one's own."""
    signer = Signer(KEYS, world.gateway.url, 600)
    key = world.victims_job["id"].removeprefix("job_")
    for email, role in ((VICTIM, Role.USER), (ATTACKER, Role.ADMIN)):
        identity = Identity(email=email, name=email, role=role, credential="x")
        refused(tally, "own key", httpx.get(signer.download_url(key, "x", identity)))
        refused(tally, "own key", httpx.put(signer.upload_url(key, "x", identity), content=b"forged"))


def elsewhere(world: World, tally: Tally, signed: str) -> None:
    """As a token, as a cursor, as another route's URL."""
    url = world.gateway.url
    for scheme in ("Bearer", "Basic", "Token"):
        answer = httpx.post(
            f"{url}/graphql", json={"query": "{ me { id } }"}, headers={"Authorization": f"{scheme} {signed}"}
        )
        refused(tally, "as a token", answer)
    for route in ("uploads", "archives", "static", "graphql"):
        for method in ("GET", "HEAD", "PATCH", "DELETE"):
            refused(tally, "other route", httpx.request(method, f"{url}/{route}/{signed}"))


def expired(world: World, tally: Tally) -> None:
    """Signed by the gateway's own key, for a time that is over; and for what its user may not have."""
    key = Path(world.gateway.store.partition("///")[2] + ".key").read_text().strip()
    mine, theirs = (job["id"].removeprefix("job_") for job in (world.attacker.create_job(), world.victims_job))
    identity = Identity(email=ATTACKER, name="", role=Role.USER, credential="x")
    late = Signer((key,), world.gateway.url, -1)
    refused(tally, "expired", httpx.get(late.download_url(mine, "run.sh", identity)))
    refused(tally, "expired", httpx.put(late.upload_url(mine, "x", identity), content=b"forged"))
    good = Signer((key,), world.gateway.url, 60)
    tally.hold("good", httpx.get(good.download_url(mine, "run.sh", identity)).status_code == 200)
    for path in ("x", "run.sh", "../../x", "c/../../run.sh"):
        refused(tally, "another's job", httpx.get(good.download_url(theirs, path, identity)))
        refused(tally, "another's job", httpx.put(good.upload_url(theirs, path, identity), content=b"forged"))
    for path in ("run.sh", "slurm-1.out", "./run.sh", "a/../run.sh", "../run.sh", "/run.sh", "claim/../../end"):
        refused(tally, "protected", httpx.put(good.upload_url(mine, path, identity), content=b"forged"))
