"""Commands of Slurm's: argv lists without a shell, bounded in time and output, dead when the agent is."""

import collections
import contextlib
import os
import re
import selectors
import signal
import subprocess
import threading
import time
from typing import Deque, Dict, List, Optional, Pattern, Set, Tuple

from gql_gateway.cluster.agent.guard import Guard
from gql_gateway.cluster.agent.wire import Header, Wrong

PIECE = 65536
EARLY_MOST, EARLY_SECONDS = 4, 2.0
LEAVE_SECONDS = 2.0
NEEDED = ("SLURM_CONF", "SLURM_CONF_SERVER")  # where a site says which cluster this is
# These would change what a command does or how it answers, whatever its options say.
UNWANTED = ("SLURM_", "SBATCH_", "SQUEUE_", "SACCT_", "SCANCEL_", "SINFO_", "SCONTROL_", "LC_", "LANG")


def environment(slurm_path: str) -> Dict[str, str]:
    """The login's environment without what steers Slurm's commands; times come as seconds since 1970."""
    kept = {name: value for name, value in os.environ.items() if name in NEEDED or not name.startswith(UNWANTED)}
    kept.update(LC_ALL="C", SLURM_TIME_FORMAT="%s")
    if slurm_path:
        kept["PATH"] = slurm_path + ":" + kept.get("PATH", os.defpath)
    return kept


class Commands:
    """Commands that run now."""

    def __init__(self) -> None:
        self.running: Set[int] = set()
        self.early: Dict[Tuple[str, ...], subprocess.Popen[bytes]] = {}
        self.leaving: Deque[subprocess.Popen[bytes]] = collections.deque()
        self.lock = threading.Lock()
        self.guard = Guard()

    def run(self, request: Header, body: bytes) -> Tuple[Header, bytes]:
        """Run one command to its end, or an `early` one to where it reads its input, which may come soon.

        One that prints what is `enough`, and no complaint, has succeeded: it is not waited for, but seen off later.
        """
        argv: List[str] = request["argv"]
        started = time.monotonic()
        if request.get("early"):
            self.start_early(argv, request["slurm_path"])
            return {}, b""
        process = self.taken(argv) or self.start(argv, request["slurm_path"])
        enough = re.compile(request["enough"].encode()) if "enough" in request else None
        ended = True
        try:
            out, err, ended = pump(process, body, started + request["seconds"], request["limit"], enough)
            code = process.wait(max(0.1, started + request["seconds"] - time.monotonic())) if ended else 0
        except (subprocess.TimeoutExpired, TimeoutError):
            words = f"{argv[0]} gave no answer within {request['seconds']:g} s."
            raise Wrong("CLUSTER_TIMEOUT", words) from None
        finally:
            if ended:
                self.stop(process)
            else:
                self.leaving.append(process)
        return {"exit": code, "seconds": time.monotonic() - started, "out": len(out)}, out + err

    def see_off(self) -> None:
        """Wait for those that have said enough, and end them where they stay."""
        with contextlib.suppress(IndexError):
            while True:
                process = self.leaving.popleft()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(LEAVE_SECONDS)
                self.stop(process)

    def start(self, argv: List[str], slurm_path: str) -> "subprocess.Popen[bytes]":
        env = self.guard.marked(environment(slurm_path))
        try:
            with self.lock:
                process = subprocess.Popen(
                    argv,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    bufsize=0,
                    env=env,
                    cwd="/",
                    start_new_session=True,
                )
                self.running.add(process.pid)
        except OSError as error:
            words = f"{argv[0]} cannot be started on the login node: {error.strerror}."
            raise Wrong("CLUSTER_UNAVAILABLE", words) from None
        return process

    def start_early(self, argv: List[str], slurm_path: str) -> None:
        """Start a command for `taken`. Few, and not for long: each holds a place on the login node."""
        if len(self.early) >= EARLY_MOST or tuple(argv) in self.early:
            return
        process = self.start(argv, slurm_path)
        with self.lock:
            self.early[tuple(argv)] = process
        clock = threading.Timer(EARLY_SECONDS, lambda: self.drop(argv, process))
        clock.daemon = True
        clock.start()

    def taken(self, argv: List[str]) -> "Optional[subprocess.Popen[bytes]]":
        with self.lock:
            return self.early.pop(tuple(argv), None)

    def drop(self, argv: List[str], process: "subprocess.Popen[bytes]") -> None:
        """End a command whose input did not come."""
        with self.lock:
            if self.early.get(tuple(argv)) is not process:
                return
            del self.early[tuple(argv)]
        self.stop(process)

    def stop(self, process: "subprocess.Popen[bytes]") -> None:
        with self.lock:
            self.running.discard(process.pid)
        kill_group(process.pid)
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()

    def kill_all(self) -> None:
        """Before the agent ends."""
        with self.lock:
            for pid in self.running:
                kill_group(pid)


def kill_group(pid: int) -> None:
    with contextlib.suppress(OSError):
        os.killpg(pid, signal.SIGKILL)


def pump(
    process: "subprocess.Popen[bytes]", body: bytes, deadline: float, limit: int, enough: Optional[Pattern[bytes]]
) -> Tuple[bytes, bytes, bool]:
    """Write input and read both outputs until they end, or until there is enough; whether they ended."""
    assert process.stdin
    assert process.stdout
    assert process.stderr
    out, err = bytearray(), bytearray()
    left = memoryview(body)
    os.set_blocking(process.stdin.fileno(), False)
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdin, selectors.EVENT_WRITE)
        selector.register(process.stdout, selectors.EVENT_READ, out)
        selector.register(process.stderr, selectors.EVENT_READ, err)
        while selector.get_map():
            ready = selector.select(max(0.0, deadline - time.monotonic()))
            if not ready:
                raise TimeoutError
            for key, _ in ready:
                if key.data is None:
                    left = feed(key.fd, left)
                    done = not left
                else:
                    done = not drain(key.fd, key.data, limit)
                if done:
                    selector.unregister(key.fileobj)
                    if key.data is None:
                        process.stdin.close()
            if enough and not err and enough.fullmatch(out):
                return bytes(out), b"", False
    return bytes(out), bytes(err), True


def feed(fd: int, left: memoryview) -> memoryview:
    """Write what a pipe has room for; a command that wants no more gets no more.

    A script has room as a whole (64 KiB), so an agent that is killed leaves sbatch all of it or nothing, and never a
    first part that Slurm would run.
    """
    try:
        return left[os.write(fd, left) if left else 0 :]
    except BrokenPipeError:
        return left[len(left) :]


def drain(fd: int, into: bytearray, limit: int) -> bool:
    data = os.read(fd, PIECE)
    into += data
    if len(into) > limit:
        raise Wrong("CLUSTER_UNAVAILABLE", f"The command's answer is larger than {limit} bytes.")
    return bool(data)
