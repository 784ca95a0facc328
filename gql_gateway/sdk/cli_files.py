"""`hpc` and files: files, put, get, rm."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from gql_gateway.sdk.cli_common import AsJson, JobId, err, find_job, open_gateway, out, print_json
from gql_gateway.sdk.cli_show import TransferBars, counted, files_table
from gql_gateway.sdk.errors import FileNotFound
from gql_gateway.sdk.folders import local_path
from gql_gateway.sdk.job import Job
from gql_gateway.sdk.job_types import FileInfo, FileKind, Transfer

app = typer.Typer()


@app.command("files", epilog="**Examples**\n\n`hpc files last`\n\n`hpc files JOB results -r`")
def list_files(
    context: typer.Context,
    job: JobId,
    path: Annotated[str, typer.Argument(metavar="PATH", help="A folder or file of the job.")] = "",
    recursive: Annotated[bool, typer.Option("--recursive", "-r", help="All files in all folders.")] = False,
    as_json: AsJson = False,
) -> None:
    """The files in a job's folder."""
    with open_gateway(context) as gateway:
        found = find_job(gateway, job)
        files = _listed(found, path.strip("/"), recursive)
    if as_json:
        print_json(files)
    else:
        out.print(files_table(files))


def _listed(job: Job, path: str, recursive: bool) -> list[FileInfo]:
    try:
        return job.walk(path) if recursive else job.files(path)
    except FileNotFound:
        folder, _, _ = path.rpartition("/")
        if found := [entry for entry in job.files(folder) if entry.path == path]:
            return found
        raise


@app.command(epilog="**Examples**\n\n`hpc put last input.txt mesh/`\n\n`hpc put JOB big.h5 --to data`")
def put(
    context: typer.Context,
    job: JobId,
    sources: Annotated[list[Path], typer.Argument(metavar="SOURCE", exists=True, help="Files and folders here.")],
    to: Annotated[str, typer.Option(help="Folder of the job to put them into.")] = "",
    as_json: AsJson = False,
) -> None:
    """Send files and folders into a job's folder."""
    sent: list[Transfer] = []
    with open_gateway(context) as gateway, TransferBars() as bars:
        found = find_job(gateway, job)
        for source in sources:
            path = "/".join(filter(None, (to.strip("/"), source.resolve().name)))
            if source.is_dir():
                sent += found.upload_folder(source, path, bars)
            else:
                sent.append(found.upload(source, path, bars))
    _report("Sent", sent, as_json)


@app.command(
    epilog="**Examples**\n\n`hpc get last result.txt`\n\n`hpc get JOB results --to out`\n\n`hpc get JOB --to out`\n\n"
    "`hpc get JOB results --archive results.tar`"
)
def get(
    context: typer.Context,
    job: JobId,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="PATH", help="Files and folders of the job; nothing: all.")
    ] = None,
    to: Annotated[Path, typer.Option(help="Folder here to put them into.")] = Path(),
    archive: Annotated[
        Path | None, typer.Option(metavar="NAME.tar", help="Fetch one folder, or all, as one tar file.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch files and folders from a job's folder."""
    if archive:
        _get_archive(context, job, paths or [""], to / archive, as_json)
        return
    fetched: list[Transfer] = []
    with open_gateway(context) as gateway, TransferBars() as bars:
        found = find_job(gateway, job)
        for path in paths or [""]:
            fetched += _fetch(found, path.strip("/"), to, bars)
    _report("Fetched", fetched, as_json)


def _get_archive(context: typer.Context, jobid: str, paths: Sequence[str], target: Path, as_json: bool) -> None:
    if len(paths) > 1:
        raise typer.BadParameter("--archive packs one folder: give one PATH, or none for all.")
    with open_gateway(context) as gateway, TransferBars() as bars:
        packed = find_job(gateway, jobid).download_archive(target, paths[0].strip("/"), bars)
    if as_json:
        print_json(packed)
    else:
        err.print(f"Fetched {packed.local_path} ({packed.size} bytes) with {counted(packed.files)}", markup=False)


def _fetch(job: Job, path: str, to: Path, bars: TransferBars) -> list[Transfer]:
    if not path:
        return job.download_folder(to, progress=bars)
    folder, _, name = path.rpartition("/")
    target = local_path(to, name)
    is_folder = any(entry.name == name and entry.kind is FileKind.DIRECTORY for entry in job.files(folder))
    return job.download_folder(target, path, bars) if is_folder else [job.download(path, target, bars)]


@app.command(epilog="**Example**\n\n`hpc rm last checkpoint.h5 scratch`")
def rm(
    context: typer.Context,
    job: JobId,
    paths: Annotated[list[str], typer.Argument(metavar="PATH", help="Files and folders of the job.")],
) -> None:
    """Delete files and folders (with all in them) from a job's folder."""
    with open_gateway(context) as gateway:
        found = find_job(gateway, job)
        for path in paths:
            out.print(f"Deleted {found.delete_file(path.rstrip('/')).path}", markup=False)


def _report(verb: str, transfers: list[Transfer], as_json: bool) -> None:
    if as_json:
        print_json(transfers)
        return
    for transfer in transfers:
        checked = "checked" if transfer.verified else "not checked by the gateway"
        err.print(f"{verb} {transfer.path} ({transfer.size} bytes, SHA-256 {checked})", markup=False)
