"""Operations on files, each one request and one answer."""

import hashlib
import itertools
import os
import pwd
import time
from typing import Any, Callable, Dict, List, Optional, Tuple, Union

from gql_gateway.cluster.agent import paths, removal, room
from gql_gateway.cluster.agent.arrival import INCOMING, Arrival, is_folder
from gql_gateway.cluster.agent.paths import Folder
from gql_gateway.cluster.agent.wire import Header, Wrong, write_all

LIST_LIMIT = 20000
READ_LIMIT = 1 << 20
RECORD_LIMIT = 256
NOTICES_LIMIT = 1 << 20

Answer = Union[Header, Tuple[Header, bytes]]


def list_folder(request: Header, _: bytes) -> Answer:
    """Entries of a folder as they come, and of another one beside it."""
    answer = {"entries": listing(request["root"], request["parts"])}
    if "beside" in request:
        answer["beside"] = listing(request["root"], request["beside"])
    return answer


def listing(root: str, parts: List[str]) -> List[Dict[str, Any]]:
    with Folder(root, parts) as fd:
        names = list(itertools.islice(paths.names_in(fd), LIST_LIMIT + 1))
        if len(names) > LIST_LIMIT:
            raise Wrong("LIMIT_EXCEEDED", f"The folder has more than {LIST_LIMIT} entries, too many to list.")
        return [found for found in (seen(fd, name) for name in names) if found]


def seen(fd: int, name: bytes) -> Optional[Dict[str, Any]]:
    """An entry of a listing; None when it is gone since."""
    try:
        return paths.entry(fd, name)
    except Wrong:
        return None


def stat_entry(request: Header, _: bytes) -> Answer:
    """One entry; the folder itself where the path ends in its own name."""
    folder, name = paths.split(request["parts"])
    with Folder(request["root"], folder) as fd:
        return {"entry": paths.entry(fd, name)}


def make_folders(request: Header, _: bytes) -> Answer:
    """Make a folder and those above it."""
    with Folder(request["root"], [], make=request["parts"]):
        return {}


def read_part(request: Header, _: bytes) -> Answer:
    """A part of a regular file, and what the file is now."""
    folder, name = paths.split(request["parts"])
    with Folder(request["root"], folder) as dir_fd:
        fd, status = paths.open_regular(dir_fd, name)
    try:
        data = os.pread(fd, min(request["length"], READ_LIMIT), request["offset"])
    finally:
        os.close(fd)
    return {"entry": paths.described(name, status)}, data


def write_whole(request: Header, body: bytes) -> Answer:
    """A small file from one frame."""
    with Arrival(request) as arrival:
        write_all(arrival.fd, body)
        return {"entry": arrival.place()}


def delete(request: Header, _: bytes) -> Answer:
    """Take an entry out of sight at once, then remove what it held, as far as the time reaches; the rest goes later."""
    folder, name = paths.split(request["parts"])
    with Folder(request["root"], request["job"] + folder) as fd:
        if is_folder(fd, name) and not request["recursive"]:
            raise Wrong("PATH_NOT_ALLOWED", f"'{paths.shown(name)}' is a folder.")
        with Folder(request["root"], request["job"], make=[INCOMING]) as incoming:
            hidden = paths.nonce("deleted-")
            try:
                removal.move(fd, name, incoming, hidden)
            except OSError as error:
                raise paths.explained(error, fd, name) from None
            removal.remove_if_possible(incoming, hidden, deadline(request))
    return {}


def remove_folder(request: Header, _: bytes) -> Answer:
    """Remove a folder with all it holds; one that is not there is no error."""
    folder, name = paths.split(request["parts"])
    try:
        with Folder(request["root"], folder) as fd:
            gone = removal.remove(fd, name, deadline(request))
    except Wrong as wrong:
        if wrong.code != "FILE_NOT_FOUND":
            raise
        gone = True
    if not gone:
        raise Wrong("CLUSTER_TIMEOUT", "The folder holds too much to be removed at once; some is still there.")
    return {}


def deadline(request: Header) -> float:
    """When to stop and answer, a little before the gateway stops waiting."""
    seconds: float = request["seconds"]
    return time.monotonic() + 0.8 * seconds


def prepare(request: Header, body: bytes) -> Answer:
    """Make a job's folder with its sealed script; once more does no harm, another text is refused."""
    root, job = request["root"], request["parts"]
    for parts in (request["gateway"], [*job, INCOMING], [*job, request["work"]]):
        with Folder(root, [], make=parts):
            pass
    with Folder(root, job) as fd:
        present = script_digest(fd)
        if present is None:
            seal(root, job, fd, body)
        elif present != hashlib.sha256(body).hexdigest():
            raise Wrong("FILE_EXISTS", "The folder holds another run.sh already.")
    return {}


def seal(root: str, job: List[str], job_fd: int, text: bytes) -> None:
    with Folder(root, [*job, INCOMING]) as incoming:
        name = paths.nonce("script-")
        fd = os.open(name, paths.NEW, 0o400, dir_fd=incoming)
        try:
            write_all(fd, text)
            os.fchmod(fd, 0o444)
            os.fsync(fd)
            os.rename(name, "run.sh", src_dir_fd=incoming, dst_dir_fd=job_fd)
            os.fsync(job_fd)
        finally:
            os.close(fd)
            removal.unlinked(incoming, name)


def script_digest(dir_fd: int) -> Optional[str]:
    """SHA-256 of run.sh; None where there is none."""
    try:
        fd, _ = paths.open_regular(dir_fd, b"run.sh")
    except Wrong as wrong:
        if wrong.code == "FILE_NOT_FOUND":
            return None
        raise
    try:
        return sha256_of(fd)
    finally:
        os.close(fd)


def sha256_of(fd: int) -> str:
    """SHA-256 of an open file, from its beginning."""
    found = hashlib.sha256()
    offset = 0
    while True:
        block = os.pread(fd, READ_LIMIT, offset)
        if not block:
            return found.hexdigest()
        found.update(block)
        offset += len(block)


def checksum(request: Header, _: bytes) -> Answer:
    """SHA-256 of a regular file, and what the file was before it was read."""
    folder, name = paths.split(request["parts"])
    with Folder(request["root"], folder) as dir_fd:
        fd, status = paths.open_regular(dir_fd, name)
    try:
        return {"entry": paths.described(name, status), "sha256": sha256_of(fd)}
    finally:
        os.close(fd)


def digest(request: Header, _: bytes) -> Answer:
    """What run.sh holds now."""
    with Folder(request["root"], request["parts"]) as fd:
        return {"sha256": script_digest(fd)}


def records(request: Header, _: bytes) -> Answer:
    """The small records that run.sh leaves in many jobs' folders, by name."""
    root, names = request["root"], request["names"]
    return {"records": [[record(root, parts, os.fsencode(name)) for name in names] for parts in request["folders"]]}


def record(root: str, parts: List[str], name: bytes) -> Optional[str]:
    try:
        with Folder(root, parts) as dir_fd:
            fd, _ = paths.open_regular(dir_fd, name)
    except Wrong:
        return None
    try:
        return os.read(fd, RECORD_LIMIT).decode("ascii", "replace")
    finally:
        os.close(fd)


def copy(request: Header, _: bytes) -> Answer:
    """Copy regular files between two jobs' folders; those that are gone, or are no files, are left out."""
    found: List[List[str]] = []
    left = request["limit"]
    for parts in request["paths"]:
        size = copied(request, parts, left)
        if size is not None:
            found.append(parts)
            left -= size
    return {"copied": found}


def copied(request: Header, parts: List[str], most: int) -> Optional[int]:
    """Copy one file as long as it is now: a job that writes to it, or has made it sparse, must find an end."""
    folder, name = paths.split(parts)
    try:
        with Folder(request["root"], request["from"] + folder) as dir_fd:
            source, status = paths.open_regular(dir_fd, name)
    except Wrong:
        return None
    try:
        with Arrival({"root": request["root"], "job": request["job"], "parts": parts, "overwrite": True}) as arrival:
            if status.st_size > most:
                raise Wrong("LIMIT_EXCEEDED", f"The files to copy have more than {request['limit']} bytes, the limit.")
            left = status.st_size
            while left:
                sent = os.sendfile(arrival.fd, source, None, min(left, READ_LIMIT))
                if not sent:
                    break
                left -= sent
            arrival.place()
    finally:
        os.close(source)
    return status.st_size


def notices(request: Header, _: bytes) -> Answer:
    """Make the notice file, and empty it once it is large: its lines are hints, of no use once they are old."""
    folder, name = paths.split(request["parts"])
    with Folder(request["root"], [], make=folder) as dir_fd:
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        fd = os.open(name, flags, 0o600, dir_fd=dir_fd)
    try:
        if os.fstat(fd).st_size > NOTICES_LIMIT:
            os.ftruncate(fd, 0)
    finally:
        os.close(fd)
    return {}


def account(request: Header, _: bytes) -> Answer:
    """The number of an account, whichever directory knows it."""
    try:
        return {"uid": pwd.getpwnam(request["name"]).pw_uid}
    except KeyError:
        return {"uid": None}


def make_root(request: Header, _: bytes) -> Answer:
    """Make the root itself, which is else an administrator's to make."""
    root = request["root"]
    try:
        os.mkdir(root, paths.OWN)
    except FileExistsError:
        pass
    except OSError as error:
        raise Wrong("CLUSTER_UNAVAILABLE", f"The root folder {root} cannot be made: {error.strerror}.") from None
    os.close(paths.open_root(root))
    return {}


OPERATIONS: Dict[str, Callable[[Header, bytes], Answer]] = {
    "list": list_folder,
    "stat": stat_entry,
    "mkdirs": make_folders,
    "read": read_part,
    "write": write_whole,
    "delete": delete,
    "remove": remove_folder,
    "prepare": prepare,
    "digest": digest,
    "checksum": checksum,
    "records": records,
    "copy": copy,
    "notices": notices,
    "usage": room.usage,
    "account": account,
    "root": make_root,
}
