"""The agent's loop: requests come in, threads work on them, answers go out under the request's number."""

import collections
import errno
import os
import threading
import traceback
from typing import Callable, Deque, Dict, List, Optional, Tuple

from gql_gateway.cluster.agent import archive, files, follow, parts, transfer
from gql_gateway.cluster.agent.commands import Commands
from gql_gateway.cluster.agent.pin import Pin
from gql_gateway.cluster.agent.wire import Header, Wire, Wrong

THREADS = 8
LAST_SECONDS = 2.0
OPERATIONS = dict(files.OPERATIONS, begin=parts.begin, part=parts.ask, complete=parts.complete, drop_part=parts.drop)


class Pool:
    """A few threads that take work in turn; commands and files have one each, so neither waits for the other."""

    def __init__(self) -> None:
        self.work: Deque[Callable[[], None]] = collections.deque()
        self.ready = threading.Condition()
        self.threads = 0
        self.idle = 0
        self.busy = 0

    def put(self, job: Callable[[], None]) -> None:
        with self.ready:
            self.work.append(job)
            if len(self.work) > self.idle and self.threads < THREADS:
                self.threads += 1
                threading.Thread(target=self.run, daemon=True).start()
            self.ready.notify()

    def run(self) -> None:
        while True:
            with self.ready:
                self.idle += 1
                while not self.work:
                    self.ready.wait()
                self.idle -= 1
                self.busy += 1
                job = self.work.popleft()
            try:
                job()
            finally:
                with self.ready:
                    self.busy -= 1
                    self.ready.notify_all()

    def drain(self, seconds: float) -> None:
        """Begin nothing more, and let what has begun come to its end: cut off, it would leave its temporary files."""
        with self.ready:
            self.work.clear()
            self.ready.wait_for(lambda: not self.busy, seconds)


class Agent:
    """What one channel asks for."""

    def __init__(self, wire: Wire, pin: Optional[Pin]) -> None:
        self.wire = wire
        self.pin = pin
        self.commands = Commands()
        self.follower = follow.Follower(wire)
        self.pools: Dict[bool, Pool] = {True: Pool(), False: Pool()}

    def serve(self, request: Header, body: bytes) -> None:
        """Take requests until the gateway is gone; then nothing of ours goes on."""
        try:
            while True:
                self.take(request, body)
                frame = self.wire.receive()
                if frame is None:
                    return
                request, body = frame
        finally:
            self.commands.kill_all()
            self.pools[False].drain(LAST_SECONDS)

    def take(self, request: Header, body: bytes) -> None:
        op = request["op"]
        if not admitted(self.wire, request, self.pin):
            return
        if op == "ping":
            self.wire.send({"id": request["id"], "ok": {}})
        elif op == "follow":
            self.follower.add(request)
        elif op == "drop":
            self.follower.drop(request["follow"])
        else:
            self.pools[op == "run"].put(lambda: self.answer(request, body))

    def answer(self, request: Header, body: bytes) -> None:
        operation = self.commands.run if request["op"] == "run" else OPERATIONS[request["op"]]
        guarded(self.wire, request, lambda: operation(request, body))
        if request["op"] == "run":
            self.commands.see_off()


def guarded(wire: Wire, request: Header, work: Callable[[], files.Answer]) -> None:
    """Answer with what `work` returns, or with what went wrong."""
    try:
        answer = work()
    except Exception as error:  # noqa: BLE001 - a fault of ours must reach the gateway too, not hang it
        code, words = said(error)
        wire.send({"id": request["id"], "error": [code, words]})
        return
    header, body = answer if isinstance(answer, tuple) else (answer, b"")
    wire.send({"id": request["id"], "ok": header}, body)


def said(error: Exception) -> Tuple[str, str]:
    """Code and words of what went wrong."""
    if isinstance(error, Wrong):
        return error.code, str(error)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "LIMIT_EXCEEDED", f"There is no room left on the cluster: {error.strerror}."
    if isinstance(error, OSError):
        return "CLUSTER_UNAVAILABLE", f"The cluster's system says: {error.strerror}."
    traceback.print_exc()
    return "INTERNAL", repr(error)


def admitted(wire: Wire, request: Header, pin: Optional[Pin]) -> bool:
    """Whether a pin, if there is one, lets a request through; else it is answered."""
    try:
        if pin:
            pin.check(request)
    except Wrong as wrong:
        wire.send({"id": request["id"], "error": [wrong.code, str(wrong)]})
        return False
    return True


def main(arguments: List[str]) -> None:
    """Run until standard input ends: as text that was sent (`-c`), or as a file that the key is pinned to."""
    wire = Wire()
    pin = None if arguments[0] == "-c" else Pin(arguments[0], arguments[1:])
    another = pin.compare(wire.input) if pin else None
    wire.hello(wire.input.readline(), another)
    frame = None if another else wire.receive()
    if frame is not None and admitted(wire, frame[0], pin):
        begin(wire, *frame, pin)
    os._exit(0)


def begin(wire: Wire, request: Header, body: bytes, pin: Optional[Pin]) -> None:
    """Do what the first request asks for: a transfer owns the channel, anything else is the first of many."""
    if request["op"] == "upload":
        guarded(wire, request, lambda: transfer.upload(wire, request))
    elif request["op"] == "download":
        source = transfer.Source()
        guarded(wire, request, lambda: source.open(request))
        source.send()
    elif request["op"] == "archive":
        stream = archive.Archive()
        guarded(wire, request, lambda: stream.open(request))
        if stream.fd >= 0:
            stream.send()
    elif request["op"] == "append":
        part = parts.Part(request)
        guarded(wire, request, part.open)
        if part.fd >= 0:
            guarded(wire, request, lambda: part.receive(wire))
    else:
        Agent(wire, pin).serve(request, body)
