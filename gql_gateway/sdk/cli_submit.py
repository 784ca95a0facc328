"""`hpc` and the start of jobs: submit, launch, clone."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

from gql_gateway.sdk import cli_options as options
from gql_gateway.sdk.cli_common import AsJson, JobId, Several, err, find_job, open_gateway, out, print_json
from gql_gateway.sdk.cli_show import TransferBars, forecast_words, print_states, sum_of
from gql_gateway.sdk.cli_waiting import INTERRUPTED, exit_code, wait_shown, way_back
from gql_gateway.sdk.errors import GatewayError, SubmitRefused
from gql_gateway.sdk.gateway import HpcGateway
from gql_gateway.sdk.job import Job
from gql_gateway.sdk.job_types import JobInfo, Transfer

_PLAIN_WORD = re.compile(r"[A-Za-z0-9_./+-]+")

app = typer.Typer()


@app.command(epilog=options.SUBMIT_EXAMPLES)
def submit(
    context: typer.Context,
    image: options.Image,
    command: options.Command = None,
    name: options.Name = None,
    upload: options.Upload = None,
    partition: options.Partition = None,
    nodes: options.Nodes = None,
    tasks_per_node: options.Tasks = None,
    cpus_per_task: options.Cpus = None,
    memory_per_node: options.Memory = None,
    gpus_per_node: options.Gpus = None,
    time_limit: options.Time = None,
    account: options.Account = None,
    qos: options.Qos = None,
    env: options.Env = None,
    label: options.Labels = None,
    cluster: options.OnCluster = None,
    no_launch: options.NoLaunch = False,
    dry_run: options.Try = False,
    wait: options.Wait = False,
    download: options.Download = None,
    as_json: AsJson = False,
) -> None:
    """Create a job, send its files, launch it, and print its id."""
    if dry_run and (no_launch or wait or download):
        raise typer.BadParameter("--dry-run leaves no job for --no-launch, --wait or --download.")
    given = {key: value for key, value in locals().items() if key in options.RESOURCES} | command_of(command or [])
    given |= {"environment": options.read_environment(env or []), "labels": options.read_labels(label or [])}
    with open_gateway(context) as gateway:
        job = _new(gateway, image, name, given)
        if dry_run:
            _try(job, as_json)
            return
        _send(job, upload or [])
        info = job.info if no_launch else _launch(job)
        print_json(info) if as_json else out.print(job.id)
        if wait or download:
            _finish(job, download)


def _launch(job: Job) -> JobInfo:
    try:
        return job.launch()
    except SubmitRefused:
        err.print(f"It stays, as {job.refresh().state}, with its files: {job.id}", markup=False)
        raise


def _try(job: Job, as_json: bool) -> None:
    """Ask Slurm about a job that was made for it, and remove that again, also where Slurm would refuse it."""
    try:
        forecast = job.forecast()
        print_json(forecast) if as_json else out.print(forecast_words(forecast), markup=False)
    finally:
        try:
            job.delete()
        except GatewayError as error:
            err.print(f"The job that was made to ask stays, as {job.state}: {job.id} ({error})", markup=False)


def _new(gateway: HpcGateway, image: str, name: str | None, given: dict[str, Any]) -> Job:
    plain = re.sub(r"[^A-Za-z0-9]+", "-", Path(image).stem).strip("-")[:64]
    return gateway.new_job(name or plain or "job", image, **given)


def command_of(words: Sequence[str]) -> dict[str, Any]:
    """What a job runs: one line with blanks or signs in it is for the container's shell; words as typed need none."""
    if not words:
        return {}
    return {"args": words} if len(words) > 1 or _PLAIN_WORD.fullmatch(words[0]) else {"command": words[0]}


def _send(job: Job, sources: Sequence[Path]) -> None:
    sent: list[Transfer] = []
    with TransferBars() as bars:
        for source in sources:
            sent += job.upload_folder(source, "", bars) if source.is_dir() else [job.upload(source, None, bars)]
    if sent:
        err.print(sum_of("Sent", sent), markup=False)


def _finish(job: Job, download: Path | None) -> None:
    """Wait for a job that this command launched; leaving with Ctrl-C leaves it alone."""
    try:
        info = wait_shown(job)
        if download:
            with TransferBars() as bars:
                fetched = job.download_folder(download, progress=bars)
            err.print(f"{sum_of('Fetched', fetched)} into {download}", markup=False)
    except KeyboardInterrupt:
        way_back(job)
        raise typer.Exit(INTERRUPTED) from None
    raise typer.Exit(exit_code(info))


@app.command(
    epilog="**Examples**\n\n`hpc submit --no-launch --image … && hpc put last big.h5 && hpc launch last`\n\n"
    "`hpc launch --dry-run last`"
)
def launch(context: typer.Context, jobs: Several, dry_run: options.OnlyAsk = False, as_json: AsJson = False) -> None:
    """Submit jobs to Slurm; again does no harm."""
    with open_gateway(context) as gateway:
        found = [find_job(gateway, job) for job in jobs]
        if dry_run:
            _print_forecasts(found, as_json)
        else:
            print_states([job.launch() for job in found], as_json)


def _print_forecasts(jobs: Sequence[Job], as_json: bool) -> None:
    forecasts = [job.forecast() for job in jobs]
    if as_json:
        print_json(forecasts)
        return
    for job, forecast in zip(jobs, forecasts, strict=True):
        out.print(job.id, forecast_words(forecast), markup=False)


@app.command(epilog="**Example**\n\n`hpc wait $(hpc clone last)`")
def clone(
    context: typer.Context,
    job: JobId,
    no_launch: options.OnlyCreate = False,
    wait: options.Wait = False,
    as_json: AsJson = False,
) -> None:
    """Run a job again, as a new one with the same parameters and inputs; prints the new id."""
    with open_gateway(context) as gateway:
        copy = find_job(gateway, job).clone()
        info = copy.info if no_launch else _launch(copy)
        print_json(info) if as_json else out.print(copy.id)
        if wait:
            _finish(copy, None)
