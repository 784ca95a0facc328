"""Files of a job, and the text they grow by."""

from dataclasses import dataclass
from datetime import datetime

import strawberry

from gql_gateway.api.context import Info, Services
from gql_gateway.api.enums import FileKind
from gql_gateway.api.fields import read
from gql_gateway.api.scalars import ByteCount
from gql_gateway.cluster.files import FileEntry
from gql_gateway.core.identity import Identity
from gql_gateway.services.files import Chunk
from gql_gateway.store.tables import Job


@dataclass(frozen=True, slots=True)
class Links:
    """Signs URLs of one job's files for who asks, only where they are asked for."""

    services: Services
    job: Job
    caller: Identity

    @classmethod
    def of(cls, info: Info, job: Job) -> "Links":
        """Links for the caller."""
        return cls(info.context.services, job, info.context.caller)

    def download(self, entry: FileEntry) -> str | None:
        """URL of a regular file's content."""
        if entry.kind is not FileKind.FILE:
            return None
        return self.services.sign_download(self.job, entry.path, self.caller)

    def archive(self, entry: FileEntry) -> str | None:
        """URL of a folder as one file."""
        if entry.kind is not FileKind.DIRECTORY:
            return None
        return self.services.sign_archive(self.job, entry.path, self.caller)


@strawberry.type(description="An entry of a job's folder, as it was on the cluster at the time of asking.")
class JobFile:
    path: str = read("entry.path", "Path relative to the job's folder, with `/` between its parts.")
    name: str = read("entry.name", "Last part of the path.")
    kind: FileKind = read("entry.kind", "What it is.")
    size: ByteCount = read("entry.size", "Size in bytes; of a folder, what the file system says.")
    modified_at: datetime = read("entry.modified_at", "When its content last changed.")
    is_protected: bool = read(
        "entry.protected", "Whether it belongs to the job itself (`run.sh`, Slurm's output) and can only be read."
    )
    permissions: str = read(
        "entry.mode", "Permission bits in octal digits, such as `0640`.", lambda mode: f"{mode & 0o7777:04o}"
    )
    link_target: str | None = read("entry.link_target", "Where a symbolic link leads, word for word.")
    download_url: str | None = read(
        ("links", "entry"),
        "A URL that gives the content for a short time, also without a token: GET, HEAD and Range. "
        "Null for what is no regular file.",
        Links.download,
    )
    archive_url: str | None = read(
        ("links", "entry"),
        "A URL that gives a folder with all it holds as one tar file for a short time, also without a token. Links "
        "and the like are left out. Null for what is no folder.",
        Links.archive,
    )
    entry: strawberry.Private[FileEntry]
    links: strawberry.Private[Links]


@strawberry.type(description="An upload that was begun, to be continued by the tus protocol, version 1.0.")
class UploadTicket:
    url: str = strawberry.field(
        description="Where it goes on: `HEAD` tells how far it got, `PATCH` sends more, `DELETE` gives it up. It needs "
        "no token. The file appears whole under its name when all bytes are there."
    )
    expires_at: datetime = strawberry.field(description="When what arrived is removed if it is not whole by then.")


@strawberry.type(description="A part of a text file of a job.")
class OutputChunk:
    path: str = strawberry.field(description="Path of the file; empty where the job ended without ever writing one.")
    offset: ByteCount = strawberry.field(description="Place in the file of the first byte of `text`.")
    next_offset: ByteCount = strawberry.field(description="Place behind the last byte of `text`: go on from here.")
    text: str = strawberry.field(description="The text. Bytes that are no UTF-8 are shown as U+FFFD.")
    end: bool = strawberry.field(description="True once, in the last chunk: the job is final and everything was sent.")

    @classmethod
    def of(cls, chunk: Chunk) -> "OutputChunk":
        """A part of a file, on the wire."""
        return cls(
            path=chunk.path,
            offset=ByteCount(chunk.offset),
            next_offset=ByteCount(chunk.next_offset),
            text=chunk.text,
            end=chunk.end,
        )
