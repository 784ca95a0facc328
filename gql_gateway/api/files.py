"""Files of a job, and the text they grow by."""

from datetime import datetime

import strawberry

from gql_gateway.api.context import Info
from gql_gateway.api.enums import FileKind
from gql_gateway.api.fields import resolved
from gql_gateway.api.scalars import ByteCount
from gql_gateway.cluster.files import FileEntry
from gql_gateway.services.files import Chunk
from gql_gateway.store.tables import Job


@strawberry.type(description="An entry of a job's folder, as it was on the cluster at the time of asking.")
class JobFile:
    path: str = strawberry.field(description="Path relative to the job's folder, with `/` between its parts.")
    name: str = strawberry.field(description="Last part of the path.")
    kind: FileKind = strawberry.field(description="What it is.")
    size: ByteCount = strawberry.field(description="Size in bytes; of a folder, what the file system says.")
    modified_at: datetime = strawberry.field(description="When its content last changed.")
    is_protected: bool = strawberry.field(
        description="Whether it belongs to the job itself (`run.sh`, Slurm's output) and can only be read."
    )
    permissions: str = strawberry.field(description="Permission bits in octal digits, such as `0640`.")
    link_target: str | None = strawberry.field(description="Where a symbolic link leads, word for word.")
    entry: strawberry.Private[FileEntry]
    job: strawberry.Private[Job]

    @classmethod
    def of(cls, entry: FileEntry, job: Job) -> "JobFile":
        """An entry of a job that the caller may see."""
        return cls(
            path=entry.path,
            name=entry.name,
            kind=entry.kind,
            size=ByteCount(entry.size),
            modified_at=entry.modified_at,
            is_protected=entry.protected,
            permissions=f"{entry.mode & 0o7777:04o}",
            link_target=entry.link_target,
            entry=entry,
            job=job,
        )

    @resolved(
        "A URL that gives the content for a short time, also without a token: GET, HEAD and Range. "
        "Null for what is no regular file."
    )
    def download_url(self, info: Info) -> str | None:
        """Sign a URL only where it is asked for."""
        if self.kind is not FileKind.FILE:
            return None
        return info.context.services.sign_download(self.job, self.path, info.context.caller)

    @resolved(
        "A URL that gives a folder with all it holds as one tar file for a short time, also without a token. Links "
        "and the like are left out. Null for what is no folder."
    )
    def archive_url(self, info: Info) -> str | None:
        """Sign a URL only where it is asked for."""
        if self.kind is not FileKind.DIRECTORY:
            return None
        return info.context.services.sign_archive(self.job, self.path, info.context.caller)


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
