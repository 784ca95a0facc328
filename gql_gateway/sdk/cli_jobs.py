"""`hpc` and jobs that there are: ls, show, logs, cancel, wait, delete."""

import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.live import Live

from gql_gateway.sdk import cli_options as options
from gql_gateway.sdk.cli_common import AsJson, JobId, Several, err, find_job, open_gateway, out, print_json
from gql_gateway.sdk.cli_show import history_table, job_table, jobs_table, print_states
from gql_gateway.sdk.cli_waiting import ENDS_IN_WORDS, INTERRUPTED, exit_code, wait_shown, way_back
from gql_gateway.sdk.errors import FileNotFound
from gql_gateway.sdk.gateway import HpcGateway
from gql_gateway.sdk.job import Job
from gql_gateway.sdk.job_types import JobInfo, JobState

_SHOWN = 20

app = typer.Typer()


@app.command(
    "ls",
    epilog="**Examples**\n\n`hpc ls`\n\n`hpc ls --state RUNNING --state QUEUED`\n\n`hpc ls -l project=water`\n\n"
    "`hpc ls --watch`",
)
def list_jobs(
    context: typer.Context,
    state: Annotated[
        list[JobState] | None,
        typer.Option(metavar="STATE", case_sensitive=False, help=f"Only these states: {', '.join(JobState)}."),
    ] = None,
    search: Annotated[str | None, typer.Option(help="Only with this text in the name.")] = None,
    label: options.WithLabels = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")] = _SHOWN,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Stay, and show changes as they happen.")] = False,
    as_json: AsJson = False,
) -> None:
    """Your jobs, newest first."""
    labels = options.read_labels(label or [])
    with open_gateway(context) as gateway:
        jobs = [job.info for job in gateway.jobs(states=state, search=search, limit=limit, labels=labels)]
        if as_json:
            print_json(jobs)
        elif watch:
            _watch(gateway, jobs, only_these=bool(state or search or labels))
        else:
            out.print(jobs_table(jobs) if jobs else "No jobs.")


def _watch(gateway: HpcGateway, jobs: Sequence[JobInfo], *, only_these: bool) -> None:
    shown = {job.id: job for job in jobs}
    with Live(jobs_table(jobs), console=out, auto_refresh=False) as live, suppress(KeyboardInterrupt):
        for change in gateway.watch():
            job = change.job
            if job.id in shown:
                shown[job.id] = job
            elif not only_these:
                shown = {job.id: job, **shown}
            live.update(jobs_table([*shown.values()]), refresh=True)


@app.command(epilog="**Examples**\n\n`hpc show last`\n\n`hpc show last --json | jq .exit_code`")
def show(context: typer.Context, job: JobId, as_json: AsJson = False) -> None:
    """Everything about one job, and what happened to it."""
    with open_gateway(context) as gateway:
        found = find_job(gateway, job)
        if as_json:
            print_json(found.info)
            return
        out.print(job_table(found.info))
        out.print()
        out.print(history_table(found.history()))


@app.command(epilog="**Examples**\n\n`hpc logs last -f`\n\n`hpc logs JOB --file results/log.txt`")
def logs(
    context: typer.Context,
    job: JobId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Stay until the job ends.")] = False,
    file: Annotated[str | None, typer.Option(help="Another text file of the job than Slurm's output.")] = None,
) -> None:
    """What a job has written so far, or with `-f` writes until its end."""
    with open_gateway(context) as gateway:
        found = find_job(gateway, job)
        if follow or found.info.is_final:
            for text in found.output(file):
                sys.stdout.write(text)
                sys.stdout.flush()
            return
        path = file or (f"slurm-{found.info.slurm_job_id}.out" if found.info.slurm_job_id else None)
        if path is None:
            err.print(f"Nothing yet: the job is {found.state}.")
            return
        _print_file(found, path)


def _print_file(job: Job, path: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        try:
            fetched = job.download(path, Path(folder, "output"))
        except FileNotFound:
            err.print(f"Nothing yet: the job is {job.state}.")
            return
        with fetched.local_path.open("rb") as file:
            while part := file.read(2**20):
                sys.stdout.buffer.write(part)


@app.command(epilog="**Example**\n\n`hpc cancel last`")
def cancel(context: typer.Context, jobs: Several, as_json: AsJson = False) -> None:
    """Cancel jobs; those that have ended stay as they are."""
    with open_gateway(context) as gateway:
        print_states([find_job(gateway, job).cancel() for job in jobs], as_json)


@app.command(epilog="**Example**\n\n`hpc wait last && hpc get last`\n\n" + ENDS_IN_WORDS)
def wait(context: typer.Context, jobs: Several, as_json: AsJson = False) -> None:
    """Wait until jobs have ended; ends with the exit code of the first one that did not complete."""
    ended: list[JobInfo] = []
    with open_gateway(context) as gateway:
        for jobid in jobs:
            job = find_job(gateway, jobid)
            try:
                ended.append(wait_shown(job))
            except KeyboardInterrupt:
                way_back(job)
                raise typer.Exit(INTERRUPTED) from None
    if as_json:
        print_json(ended)
    raise typer.Exit(next((code for code in map(exit_code, ended) if code), 0))


@app.command(epilog="**Example**\n\n`hpc delete --yes $(hpc ls --state failed --json | jq -r '.[].id')`")
def delete(
    context: typer.Context,
    jobs: Several,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete jobs that have ended or were never launched, with their folders on the cluster."""
    with open_gateway(context) as gateway:
        for job in [find_job(gateway, jobid) for jobid in jobs]:
            if yes or typer.confirm(f"Delete {job.id} ({job.name}) and all its files?", err=True):
                job.delete()
