"""Files while the job runs: a job swaps what lies under its names, thousands of times a second, and a client uses them.

The links lead into the folder of the victim's job, which has the same Unix account: nothing but the gateway's way of
opening files stands between. Every answer is looked through for the victim's secret, and the victim's folder must be
the same afterwards, to the byte and the inode.
"""

import itertools
import json
import random
import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from tests.attack.tally import Tally
from tests.attack.world import ATTACKER, World
from tests.client import Client

SOURCE = Path(__file__).with_name("swapper.c")
FILES, FOLDERS = ("f", "g"), ("d", "e")
THREADS = 4
SLOW = 45.0
"""Seconds for one call on a loaded machine: far above what one takes, and far below what hangs."""
ANSWERS = frozenset({200, 201, 206, 400, 404, 409, 416, 503, 504})
CODES = frozenset({
    "FILE_NOT_FOUND", "PATH_NOT_ALLOWED", "FILE_EXISTS", "NOT_FOUND", "CLUSTER_UNAVAILABLE", "CLUSTER_TIMEOUT",
})  # fmt: skip


def swapper(folder: Path) -> bytes:
    """The program that runs inside, linked statically, since the image has nothing but busybox."""
    made = folder / "swapper"
    subprocess.run(["cc", "-O2", "-static", "-o", made, SOURCE], check=True, timeout=60)
    return made.read_bytes()


def snapshot(folder: Path) -> dict[str, tuple[object, ...]]:
    """Everything in a folder: names, kinds, inodes, times and contents."""
    seen: dict[str, tuple[object, ...]] = {}
    for path in sorted([folder, *folder.rglob("*")]):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        seen[str(path)] = (status.st_ino, status.st_mode, status.st_nlink, status.st_mtime_ns, content)
    return seen


@dataclass(slots=True)
class Raid:
    """One client's calls through the names that the job swaps."""

    world: World
    tally: Tally
    job_id: str
    lock: threading.Lock = field(default_factory=threading.Lock)

    def calls(self) -> list[tuple[str, Callable[[Client, random.Random], object]]]:
        return [
            ("upload", self.upload),
            ("download", self.download),
            ("read again", self.read_again),
            ("list", self.list),
            ("look", self.look),
            ("delete", self.delete),
            ("follow", self.follow),
            ("clone", self.clone),
        ]

    def go_on(self, until: float, seed: int) -> None:
        """Call after call, until the time is over."""
        dice = random.Random(seed)
        with Client.of(self.world.gateway, ATTACKER) as client:
            for turn in itertools.count(seed):
                if time.monotonic() > until:
                    return
                name, call = self.calls()[turn % 8]
                began = time.monotonic()
                try:
                    seen = repr(call(client, dice))
                    held = self.world.secret not in seen and "INTERNAL" not in seen
                except (httpx.RemoteProtocolError, httpx.ReadError) as error:
                    held, seen = True, f"cut: {error}"  # a file that shrinks while it is sent ends without an end
                except (httpx.TimeoutException, UnclearAnswer) as error:
                    held, seen = False, repr(error)
                spent = time.monotonic() - began
                with self.lock:
                    self.tally.hold(name, held and spent < SLOW, f"{spent:.1f} s, {seen}")

    def name(self, dice: random.Random) -> str:
        folder = dice.choice(FOLDERS)
        return dice.choice([*FILES, f"{folder}/x", f"{folder}/c/x", f"{folder}/new-{dice.randrange(9)}"])

    def ask(self, client: Client, query: str, **variables: object) -> Any:
        self.tally.count("requests", 1)
        return checked(client.post(query, **variables))

    def upload(self, client: Client, dice: random.Random) -> Any:
        content = b"inside" * dice.choice([1, 1, 50_000])
        query = "mutation($input: UploadInput!) { upload(input: $input) { file { path size } userErrors { code } } }"
        variables = {"input": {"jobId": self.job_id, "file": None, "path": self.name(dice)}}
        parts = {
            "operations": (None, json.dumps({"query": query, "variables": variables})),
            "map": (None, '{"0": ["variables.input.file"]}'),
            "0": ("x", content),
        }
        return checked(client.http.post("/graphql", files=parts))

    def file(self, client: Client, path: str) -> Any:
        query = "query($id: ID!, $path: String!) { job(id: $id) { file(path: $path) { kind downloadUrl } } }"
        return self.ask(client, query, id=self.job_id, path=path)["data"]["job"]["file"]

    def download(self, client: Client, dice: random.Random) -> list[bytes]:
        """Get a URL, and use it until the swaps have been seen."""
        for _ in range(20):
            found = self.file(client, self.name(dice))
            if found and found["downloadUrl"]:
                return [self.get(found["downloadUrl"], dice) for _ in range(5)]
        return []

    def read_again(self, client: Client, dice: random.Random) -> list[bytes]:
        """A URL of a name that is nothing but swapped."""
        for _ in range(20):
            found = self.file(client, dice.choice(["f", "d/x", "e/c/x"]))
            if found and found["downloadUrl"]:
                return [self.get(found["downloadUrl"], dice) for _ in range(10)]
        return []

    def get(self, url: str, dice: random.Random) -> bytes:
        headers = {"Range": "bytes=0-"} if dice.random() < 0.5 else {}
        answer = httpx.get(url, headers=headers, timeout=SLOW)
        self.tally.count("bodies", 1)
        if answer.status_code not in ANSWERS:
            raise UnclearAnswer(f"{answer.status_code} {answer.text}")
        return answer.content

    def list(self, client: Client, dice: random.Random) -> Any:
        query = "query($id: ID!, $path: String!) { job(id: $id) { files(path: $path) { path kind size linkTarget } } }"
        told = self.ask(client, query, id=self.job_id, path=dice.choice(["", "d", "e", "d/c", "e/c"]))
        return [file["path"] for file in told["data"]["job"]["files"] or ()]

    def look(self, client: Client, dice: random.Random) -> Any:
        query = "query($id: ID!, $path: String!) { job(id: $id) { file(path: $path) { path kind size } } }"
        return self.ask(client, query, id=self.job_id, path=self.name(dice))

    def delete(self, client: Client, dice: random.Random) -> Any:
        query = "mutation($input: DeleteFileInput!) { deleteFile(input: $input) { deletedPath userErrors { code } } }"
        path = dice.choice(["sat-in", "f", "d", "d.link", "e.fifo", "d/c", "e/x", "g.dir", "e.dir"])
        return self.ask(client, query, input={"jobId": self.job_id, "path": path})

    def follow(self, client: Client, dice: random.Random) -> Any:
        query = "subscription($id: ID!, $path: String!) { jobOutput(jobId: $id, path: $path) { text } }"
        body = {"query": query, "variables": {"id": self.job_id, "path": dice.choice(["f", "d/x", "e/c/x"])}}
        lines = []
        until = time.monotonic() + 1
        with client.http.stream("POST", "/graphql", json=body, headers={"Accept": "text/event-stream"}) as answer:
            try:
                for line in answer.iter_lines():
                    lines.append(line)
                    if time.monotonic() > until:
                        break
            except httpx.ReadTimeout:
                lines.append("silence")
        return lines

    def clone(self, client: Client, _: random.Random) -> Any:
        """Copy the inputs, read the copies, and delete them."""
        query = "mutation($input: JobInput!) { cloneJob(input: $input) { job { id } userErrors { code } } }"
        job = self.ask(client, query, input={"jobId": self.job_id})["data"]["cloneJob"]["job"]
        seen = []
        for path in ("f", "g", "d/x", "e/c/x"):
            query = "query($id: ID!, $path: String!) { job(id: $id) { file(path: $path) { kind downloadUrl } } }"
            found = self.ask(client, query, id=job["id"], path=path)["data"]["job"]["file"]
            if found and found["downloadUrl"]:
                seen.append(self.get(found["downloadUrl"], random.Random(0)))
        query = "mutation($input: JobInput!) { deleteJob(input: $input) { deletedJobId userErrors { code } } }"
        return seen, self.ask(client, query, input={"jobId": job["id"]})


class UnclearAnswer(Exception):
    """An answer that is neither a result nor a clear error."""


def checked(answer: httpx.Response) -> Any:
    """The document of a GraphQL answer whose errors are clear ones."""
    if answer.status_code != 200:
        raise UnclearAnswer(f"{answer.status_code} {answer.text}")
    told = answer.json()
    codes = [error["extensions"]["code"] for error in told.get("errors", ())]
    for payload in (told.get("data") or {}).values():
        if isinstance(payload, dict):
            codes += [error["code"] for error in payload.get("userErrors", ())]
    if set(codes) - CODES or (told.get("data") is None and not codes):
        raise UnclearAnswer(str(told))
    return told


def attack(world: World, tally: Tally) -> None:
    """Start the job, raid through its names, end it, and compare the victim's folder."""
    victims = world.on_host(world.victims_job["folder"])
    before = snapshot(victims)
    job = world.attacker.create_job(f"chmod 700 swapper; ./swapper {world.victims_job['folder']}/work 600 > told 2>&1")
    world.attacker.upload(job["id"], "swapper", swapper(world.folder), "swapper")
    for path in ("f", "g", "d/x", "d/c/x", "e/x", "e/c/x"):
        world.attacker.upload(job["id"], "x", b"inside", path)
    world.attacker.launch(job["id"])
    told = world.on_host(job["folder"]) / "work/told"
    deadline = time.monotonic() + 60
    while not (told.exists() and "ready" in told.read_text()):
        assert time.monotonic() < deadline, "the job does not begin"
        time.sleep(0.05)

    raid = Raid(world, tally, job["id"])
    until = time.monotonic() + world.seconds
    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(raid.go_on, until, seed) for seed in range(THREADS)]:
            done.result()

    finish(world, tally, job, told)
    tally.hold("victim's folder", snapshot(victims) == before, "it has changed")


def finish(world: World, tally: Tally, job: Any, told: Path) -> None:
    """Read what the job reached, cancel it, and delete it while it may still be writing."""
    seen = told.read_text()
    tally.hold("climbing out", "ESCAPED" not in seen, seen)
    tally.count("swaps by the job", int(seen.split()[-1]))
    world.attacker.cancel(job["id"])
    world.attacker.wait_final(job["id"], 60)
    payload = world.attacker.mutate("deleteJob", "JobInput", "deletedJobId", jobId=job["id"])
    tally.hold("delete the job", not payload["userErrors"], payload)
