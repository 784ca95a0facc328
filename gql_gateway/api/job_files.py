"""A job's folder and what lies in it, as the cluster has it at the time of asking."""

from typing import Annotated

import strawberry

from gql_gateway.api.context import Info
from gql_gateway.api.fields import resolved
from gql_gateway.api.files import JobFile, Links, OutputChunk
from gql_gateway.api.limits import MAX_OUTPUT_BYTES, OUTPUT_BYTES
from gql_gateway.api.paging import given, output_size
from gql_gateway.api.scalars import ByteCount
from gql_gateway.core.errors import Refused
from gql_gateway.services.files import file_missing
from gql_gateway.store.tables import Job

_PLACE = ("cluster", "folder")
"""Columns that say where a job's files are."""


@strawberry.type
class JobFiles:
    """Fields of a job."""

    row: strawberry.Private[Job]

    @resolved("Absolute path of its folder on the cluster. The container sees `work/` in it as `/job`.", *_PLACE)
    def folder(self, info: Info) -> str:
        """The path of the folder whose name the row has."""
        return info.context.services.jobs.path(self.row)

    @resolved(
        "Whether `run.sh` on the cluster still is the sealed script, word for word. What Slurm gets is the script that "
        "the gateway keeps, so a changed file changes nothing. Null, with an error beside, while the cluster is away.",
        *_PLACE,
        "script_sha256",
    )
    async def script_intact(self, info: Info) -> bool | None:
        """Compare the file with the seal."""
        return await info.context.services.files.script_intact(self.row)

    @resolved(
        "A URL that gives its folder with all it holds, `run.sh` and Slurm's output too, as one tar file for a short "
        "time, also without a token. Links and the like are left out.",
        *_PLACE,
    )
    def archive_url(self, info: Info) -> str:
        """Sign a URL only where it is asked for."""
        return info.context.services.sign_archive(self.row, "", info.context.caller)

    @resolved(
        "Entries of one of its folders, by name; null where there is no such folder, and, with an error "
        "beside, while the cluster cannot be asked. The job's own folder also shows `run.sh` and Slurm's output.",
        *_PLACE,
    )
    async def files(
        self,
        info: Info,
        path: Annotated[str | None, strawberry.argument(description="Folder, relative to the job's folder.")] = "",
    ) -> list[JobFile] | None:
        """List a folder."""
        try:
            entries = await info.context.services.files.list(self.row, path or "")
        except Refused as refused:
            if file_missing(refused):
                return None
            raise
        info.context.note_entries(len(entries))
        links = Links.of(info, self.row)
        return [JobFile(entry=entry, links=links) for entry in entries]

    @resolved(
        "One file or folder of the job; null where there is none at this path, and, with an error beside, "
        "while the cluster cannot be asked.",
        *_PLACE,
    )
    async def file(
        self, info: Info, path: Annotated[str, strawberry.argument(description="Path, relative to the job's folder.")]
    ) -> JobFile | None:
        """Look at one entry."""
        try:
            entry = await info.context.services.files.stat(self.row, path)
        except Refused as refused:
            if file_missing(refused):
                return None
            raise
        return JobFile(entry=entry, links=Links.of(info, self.row))

    @resolved(
        "A part of a text file of the job, to read once and not to follow as `jobOutput` does. Null where there is no "
        "such file (yet), and, with an error beside, while the cluster cannot be asked.",
        *_PLACE,
        "slurm_job_id",
        "state",
    )
    async def output(
        self,
        info: Info,
        path: Annotated[
            str | None,
            strawberry.argument(description="Path of the file, relative to the job's folder; null: Slurm's output."),
        ] = strawberry.UNSET,
        offset: Annotated[
            ByteCount | None, strawberry.argument(description="Byte to start at; null: so that the end is shown.")
        ] = strawberry.UNSET,
        limit: Annotated[
            int | None, strawberry.argument(description=f"Most bytes to read, 1 to {MAX_OUTPUT_BYTES}.")
        ] = OUTPUT_BYTES,
    ) -> OutputChunk | None:
        """Read a part of a file."""
        wanted = output_size(limit)
        try:
            chunk = await info.context.services.files.read(self.row, given(path), given(offset), wanted)
        except Refused as refused:
            if file_missing(refused):
                return None
            raise
        return OutputChunk.of(chunk) if chunk else None
