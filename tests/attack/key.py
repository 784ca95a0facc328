"""The gateway's SSH key in a thief's hands, where the site has pinned it to the agent.

OpenSSH's own clients are tried first, then the agent, to which the thief speaks as the gateway does: other texts, other
programs, and every operation that it has with names that lead out of the root. All users' files below the root and all
of the account's jobs are the thief's, for that is what the key opens; nothing else on the login node may be.
"""

import asyncio
import secrets
import subprocess
from collections.abc import Awaitable, Iterator
from contextlib import suppress
from typing import Any

import asyncssh
import orjson

from gql_gateway.cluster import bundle
from gql_gateway.cluster.agent.main import OPERATIONS
from gql_gateway.cluster.agent.wire import LENGTHS
from gql_gateway.cluster.channel import frame
from tests.attack.tally import Tally
from tests.attack.world import World
from tests.pinning import PinnedKey, pin

HOME = "/home/hpcgw"
CANARY = "stolen-canary"
SEEN = ("uid=", "root:", "SSH-2.0", "ssh-ed25519", "ClusterName")
"""What an answer holds that came from a program or a file outside."""
SENTINEL = "<thief>\n"
TRANSFERS = ("upload", "download", "archive", "append")
AGENT_OPERATIONS = (*OPERATIONS, "follow")
Asked = tuple[str, dict[str, Any]]


def attack(world: World, tally: Tally) -> None:
    """Everything that a thief could want of the login node."""
    folder = world.folder / f"key-{secrets.token_hex(4)}"
    folder.mkdir()
    key = pin(world.site, folder, folder.name)
    clients(world, tally, key)
    asyncio.run(spoken_to(world, tally, key))
    found = world.site.run(["find", HOME, "/tmp", "/etc", "/opt", "/root", "-name", f"*{CANARY}*"]).stdout
    tally.hold("no canary", not found, found)
    lines = world.on_host(f"{HOME}/.ssh/authorized_keys").read_text()
    tally.hold("authorized_keys unchanged", lines.endswith(key.line) and CANARY not in lines, lines)


def clients(world: World, tally: Tally, key: PinnedKey) -> None:
    """ssh, sftp and scp, asked for all that they can do."""
    site, target = world.site, str(world.folder / CANARY)
    options = ["-F", "none", "-i", str(key.private), "-o", f"UserKnownHostsFile={site.known_hosts}"]
    options += ["-o", "BatchMode=yes", "-o", "ExitOnForwardFailure=yes"]
    login = f"{site.username}@{site.host}"
    ssh, copy = ["ssh", *options, "-p", str(site.port)], [*options, "-P", str(site.port)]
    commands = ("", "id", f"touch {HOME}/{CANARY}", "bash -i", "/usr/lib/openssh/sftp-server", "exit; id", "$(id)")
    tries = [[*ssh, *terminal, login, *command.split()] for command in commands for terminal in ([], ["-tt"])]
    tries += [[*ssh, "-W", f"127.0.0.1:{site.port}", login], [*ssh, "-s", login, "sftp"]]
    tries += [[*ssh, "-o", f"SetEnv=PYTHONINSPECT=1 BASH_ENV={HOME}/x LC_ALL=x", login, "id"]]
    tries += [["sftp", *copy, f"{login}:/etc/passwd", target]]
    tries += [["scp", *copy, *old, f"{login}:/etc/passwd", target] for old in ([], ["-O"])]
    for argv in tries:
        said = subprocess.run(argv, input="id\n", capture_output=True, text=True, timeout=30, check=False)
        held = said.returncode != 0 and not any(word in said.stdout for word in SEEN)
        tally.hold("OpenSSH's clients", held, (argv[-3:], said))
    tally.hold("nothing fetched", not (world.folder / CANARY).exists())


async def spoken_to(world: World, tally: Tally, key: PinnedKey) -> None:
    """The agent, spoken to by somebody who knows its every word."""
    site = world.site
    async with asyncssh.connect(
        site.host, site.port, username=site.username, client_keys=[str(key.private)], known_hosts=str(site.known_hosts),
        config=None, agent_path=None, encoding=None,
    ) as connection:  # fmt: skip
        await forwards(tally, connection, site.port)
        await other_texts(tally, connection)
        thief = Thief(connection)
        for answer in await thief.ask(("ping", {}), ("list", {"root": site.root, "parts": []})):
            tally.hold("it runs", b"ok" in answer, answer)
        programs = [("run", fields) for fields in commands(world)]
        outside = [(op, fields) for op in AGENT_OPERATIONS for fields in leading_out(site.root)]
        told = await thief.ask(("ping", {}), *programs, *outside)
        for asked, answer in zip([*programs, *outside], told[1:], strict=True):
            refused(tally, asked, answer)
        transfers = [(op, fields) for op in TRANSFERS for fields in leading_out(site.root)]
        for asked in transfers[:: 2 * world.every]:
            refused(tally, asked, *await thief.ask(asked))


def refused(tally: Tally, asked: Asked, answer: bytes) -> None:
    held = b'"error"' in answer and b"INTERNAL" not in answer and not any(word.encode() in answer for word in SEEN)
    tally.hold("a program" if asked[0] == "run" else "out of the root", held, (asked, answer))


async def forwards(tally: Tally, connection: asyncssh.SSHClientConnection, port: int) -> None:
    """Ports, sockets and subsystems."""
    ways: dict[str, Awaitable[object]] = {
        "port": connection.open_connection("127.0.0.1", port),
        "socket": connection.open_unix_connection("/run/munge/munge.socket.2"),
        "listener": connection.forward_remote_port("", 0, "127.0.0.1", port),
        "listening socket": connection.forward_remote_path(f"{HOME}/{CANARY}", "/dev/null"),
        "sftp": connection.start_sftp_client(),
    }
    for name, way in ways.items():
        try:
            await asyncio.wait_for(way, 10)
        except (asyncssh.Error, asyncssh.ChannelListenError, OSError, TimeoutError) as error:
            tally.hold("forwarding", held=True, seen=error)
        else:
            tally.hold("forwarding", held=False, seen=name)


async def other_texts(tally: Tally, connection: asyncssh.SSHClientConnection) -> None:
    """Programs of the thief's own, the gateway's with a line more among them."""
    evil = f"import os; os.system('id; touch {HOME}/{CANARY}')\n".encode()
    for text in (evil, bundle.TEXT + evil, evil + bundle.TEXT, bundle.TEXT[:-1], b""):
        async with connection.create_process("x", encoding=None) as process:
            process.stdin.write(b"%d\n%b%b" % (len(text), text, SENTINEL.encode()))
            process.stdin.write_eof()
            said = await asyncio.wait_for(process.stdout.read(), 10)
        tally.hold("another text", b"is of another version" in said and b"uid=" not in said, said)
    for begin in (evil, b"-1\n" + evil, b"99999999999\n" + evil, b"x" * 1_000_000, b""):
        async with connection.create_process("x", encoding=None) as process:
            process.stdin.write(begin)
            process.stdin.write_eof()
            tally.hold("another begin", not await asyncio.wait_for(process.stdout.read(), 10), begin[:80])


def commands(world: World) -> Iterator[dict[str, Any]]:
    """Programs and arguments that the gateway never asks for."""
    job = world.victims_job
    evil = f"{world.site.root}/{world.victim.create_user()['folder']}"
    lines = [
        ["sh", "-c", "id"], ["/bin/sh"], ["id"], ["bash"], ["python3"], [""], ["srun", "id"], ["salloc", "id"],
        ["sbatch", "--wrap=id"], ["sbatch", "/etc/passwd"], ["sbatch", "--parsable\n/etc/passwd"], ["sbatch"],
        ["sbatch", "--job-name=gw-x"], ["sbatch", "--export=ALL"], ["/usr/bin/sbatch", "--parsable"], ["squeue"],
        ["sbatch", "--output=/home/hpcgw/x"], ["sbatch", "--get-user-env"], ["sbatch", "--bbf=/etc/shadow"],
        ["scontrol", "write", "batch_script", "1", f"{HOME}/.ssh/{CANARY}"], ["scontrol", "show", "config"],
        ["scontrol"], ["scontrol", "ping", "--help"], ["scancel", "--me"], ["scancel", "1", "2"], ["sinfo", "--help"],
        ["squeue", "--me", "--start"], ["sacct", "--file=/etc/shadow"], ["sacct", "--name=%"],
        ["singularity", "exec", job["id"], "id"], ["singularity"], ["singularity", "exec", "--help", "id"],
        ["apptainer", "exec", "--help"], ["/usr/bin/singularity", "--version"], [f"{evil}/sbatch", "--parsable"],
        ["sacctmgr", "show", "user"], ["ssh", "localhost"], ["singularity", "shell", "/opt/img/busybox.sif"],
    ]  # fmt: skip
    for argv in lines:
        yield {"argv": argv, "slurm_path": ""}
    for path in (evil, "/tmp", "/", "."):
        yield {"argv": ["scontrol", "--version"], "slurm_path": path}


def leading_out(root: str) -> Iterator[dict[str, Any]]:
    """Requests in which one field leads out of the root; their other fields are as every operation takes them."""
    good: dict[str, Any] = {
        "root": root, "parts": ["x"], "job": ["x"], "from": ["x"], "paths": [["x"]], "folders": [["x"]],
        "names": ["x"], "gateway": ["x"], "work": "x", "own": ["x"], "name": "x", "part": "x", "sha256": None,
        "offset": 0, "length": 9, "size": 9, "limit": 9, "stall": 9, "overwrite": True, "recursive": True,
        "atomic": False,
        "hold": False,
    }  # fmt: skip
    for elsewhere in ("/", HOME, f"{HOME}/.ssh", f"{root}/..", f"{root}/", "/etc", ""):
        yield good | {"root": elsewhere, "parts": ["passwd"], "job": ["."]}
    for way in (["..", CANARY], [f"../../..{HOME}/{CANARY}"], [f"{HOME}/{CANARY}"], ["x", "..", "..", "..", "etc"]):
        for field in ("parts", "job", "from", "names", "gateway", "own"):
            yield good | {field: way}
        for field in ("paths", "folders"):
            yield good | {field: [["x"], way]}
        for field in ("work", "name", "part"):
            yield good | {field: "/".join(way)}


class Thief:
    """Speaks as the gateway does, over the stolen key."""

    def __init__(self, connection: asyncssh.SSHClientConnection) -> None:
        self._connection = connection

    async def ask(self, *asked: Asked) -> list[bytes]:
        """What one agent answers to each request: header and body, as they come over the wire."""
        async with self._connection.create_process("x", encoding=None) as process:
            process.stdin.write(bundle.source(SENTINEL))
            await process.stdout.readuntil(b"\n" + SENTINEL.encode())
            await self._answer(process)
            answers: dict[int, bytes] = {}
            for number, (op, fields) in enumerate(asked):
                more = {"id": number, "op": op, "seconds": 9, "limit": 999_999}
                process.stdin.write(frame(more | fields, b"#!/bin/sh\nid\n"))
                with suppress(TimeoutError):  # an operation that was begun waits for more
                    answers.update([await asyncio.wait_for(self._answer(process), 5)])
            return [answers.get(number, b"no answer") for number in range(len(asked))]

    async def _answer(self, process: "asyncssh.SSHClientProcess[bytes]") -> tuple[int, bytes]:
        head, size = LENGTHS.unpack(await process.stdout.readexactly(LENGTHS.size))
        header = await process.stdout.readexactly(head)
        body = await process.stdout.readexactly(size) if size else b""
        return orjson.loads(header).get("id", -1), header + body
