"""How `hpc` shows things to people: tables, colours, and bars that move while files do."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from types import TracebackType

from rich.filesize import decimal
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from gql_gateway.sdk.cli_common import err, out, print_json
from gql_gateway.sdk.job_types import FileInfo, FileKind, JobChange, JobInfo, JobState, Transfer
from gql_gateway.sdk.run_types import Forecast
from gql_gateway.sdk.site_types import Cluster, Heartbeat

_COLOURS = {
    JobState.CREATED: "bright_black",
    JobState.LAUNCHING: "cyan",
    JobState.QUEUED: "yellow",
    JobState.RUNNING: "bold blue",
    JobState.SUSPENDED: "magenta",
    JobState.COMPLETED: "green",
    JobState.CANCELLED: "bright_black",
}
_FAILED = "bold red"
_BARS_KEPT = 20
_WIDE = 120
_MINUTE = 60
_UTC = timezone.utc  # noqa: UP017 - datetime.UTC begins with Python 3.11


def state_text(state: JobState) -> Text:
    """A state in its colour."""
    return Text(state.value, _COLOURS.get(state, _FAILED))


def jobs_table(jobs: Sequence[JobInfo]) -> Table:
    """Jobs, one a line; where the line has room for them also labels, if there are any, and reasons."""
    more: dict[str, Callable[[JobInfo], str]] = {}
    if out.width >= _WIDE and any(job.labels for job in jobs):
        more["Labels"] = lambda job: ", ".join(_pairs(job.labels))
    if out.width >= _WIDE:
        more["Reason"] = lambda job: job.reason or ""
    table = _table("Job", "Name", "State", "Slurm", "Created", "Ran", *more)
    for job in jobs:
        row = (job.id, Text(job.name), state_text(job.state), job.slurm_job_id or "", _ago(job.created_at), _ran(job))
        table.add_row(*row, *(_one_line(words(job)) for words in more.values()))
    return table


def print_states(jobs: Sequence[JobInfo], as_json: bool) -> None:
    """How some jobs stand, one a line, or all that is known of them for machines."""
    if as_json:
        print_json(jobs)
        return
    for job in jobs:
        out.print(job.id, state_text(job.state), job.reason or "", markup=False)


def job_table(job: JobInfo) -> Table:
    """Everything about one job."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bright_black")
    table.add_column(overflow="fold")
    for name, value in _facts(job):
        if value is not None and value != "":
            table.add_row(name, value if isinstance(value, Text) else Text(str(value)))
    return table


def _facts(job: JobInfo) -> list[tuple[str, object]]:
    asked = job.resources
    memory = None if asked.memory_per_node is None else f"{decimal(asked.memory_per_node)} a node"
    ended = None if job.exit_code is None else str(job.exit_code)
    return [
        ("Job", job.id),
        ("Name", job.name),
        ("Labels", "\n".join(_pairs(job.labels))),
        ("State", state_text(job.state)),
        ("Reason", job.reason),
        ("Exit code", ended),
        ("Signal", job.signal),
        ("Slurm", " ".join(filter(None, (job.slurm_job_id, job.native_state)))),
        ("Cluster", job.cluster),
        ("Folder", job.folder),
        ("Image", job.image),
        ("Command", job.command),
        ("Arguments", None if job.args is None else " ".join(job.args)),
        ("Partition", asked.partition),
        ("Nodes", f"{asked.nodes} x {asked.tasks_per_node} tasks x {asked.cpus_per_task} CPUs"),
        ("GPUs", asked.gpus_per_node or None),
        ("Memory", memory),
        ("Time limit", None if asked.time_limit_seconds is None else _span(asked.time_limit_seconds)),
        ("Created", _clock(job.created_at)),
        ("Launched", _clock(job.launched_at)),
        ("Expected", _clock(job.expected_start_at)),
        ("Started", _clock(job.started_at)),
        ("Ended", _clock(job.ended_at)),
        ("Ran", _ran(job)),
        *_used(job),
        ("Confirmed", _clock(job.observed_at)),
    ]


def _used(job: JobInfo) -> list[tuple[str, object]]:
    """What it used, against what it asked for."""
    if job.usage is None:
        return []
    return [("CPU time", _cpu_time(job)), ("Peak memory", _peak_memory(job)), ("Ran on", job.usage.nodes)]


def _cpu_time(job: JobInfo) -> str | None:
    if job.usage is None or job.usage.cpu_seconds is None:
        return None
    used = job.usage.cpu_seconds
    words = f"{used:.1f}s" if used < _MINUTE else _span(used)
    cpus = "1 CPU" if job.resources.cpus == 1 else f"{job.resources.cpus} CPUs"
    return words if job.cpu_efficiency is None else f"{words}, {job.cpu_efficiency:.0%} of {cpus}"


def _peak_memory(job: JobInfo) -> str | None:
    if job.usage is None or job.usage.peak_memory is None:
        return None
    asked = job.resources
    task = " in one task" if asked.nodes * asked.tasks_per_node > 1 else ""
    most = "" if asked.memory_per_node is None else f" of {decimal(asked.memory_per_node)} a node"
    return decimal(job.usage.peak_memory) + task + most


def history_table(changes: Iterable[JobChange]) -> Table:
    """What happened to a job."""
    table = _table("When", "State", "Reason")
    for change in changes:
        table.add_row(_clock(change.at), state_text(change.state), Text(change.reason or ""))
    return table


def forecast_words(forecast: Forecast) -> str:
    """When and where a job would start, by the reader's clock; in Slurm's words where it says no more."""
    if forecast.expected_start_at is None:
        return f"Slurm says: {forecast.words}"
    where = f"on {forecast.nodes} in partition {forecast.partition}"
    return f"Slurm would start it at {_clock(forecast.expected_start_at)} {where}."


def files_table(files: Iterable[FileInfo]) -> Table:
    """Entries of a folder."""
    table = _table("Size", "Changed", "Name")
    table.columns[0].justify = "right"
    for file in files:
        folder = file.kind is FileKind.DIRECTORY
        size = decimal(file.size) if file.kind is FileKind.FILE else file.kind.value.lower()
        table.add_row(size, _ago(file.modified_at), Text(file.path + "/" * folder, "bold blue" if folder else ""))
    return table


def clusters_table(clusters: Sequence[Cluster]) -> Table:
    """Clusters and their partitions."""
    table = _table("Cluster", "Slurm", "Partition", "State", "Time limit", "Nodes idle", "CPUs idle")
    for cluster in clusters:
        if not cluster.available:
            table.add_row(cluster.name, cluster.slurm_version or "", "", Text(cluster.message or "away", _FAILED))
        for one in cluster.partitions or []:
            limit = "none" if one.time_limit_seconds is None else _span(one.time_limit_seconds)
            name = f"{one.name}*" if one.is_default else one.name
            idle = (f"{one.idle_nodes}/{one.nodes}", f"{one.idle_cpus}/{one.cpus}")
            table.add_row(cluster.name, cluster.slurm_version or "", name, one.state, limit, *idle)
    return table


def heartbeat_lines(url: str, heartbeat: Heartbeat) -> list[Text]:
    """Whether the gateway and its clusters work."""
    lines = [Text.assemble(_tick(heartbeat.ok), f" gateway {heartbeat.version} at {url}")]
    for cluster in heartbeat.clusters:
        words = f" cluster {cluster.name}" + (f": {cluster.message}" if cluster.message else "")
        lines.append(Text.assemble(_tick(cluster.available), words))
    return lines


class TransferBars:
    """Bars for the files on their way, one each while it moves; silent where nobody looks."""

    def __init__(self) -> None:
        self._tasks: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=err,
            transient=True,  # what has arrived is told in words
            disable=not err.is_terminal,
        )

    def __enter__(self) -> "TransferBars":  # noqa: PYI034 - Self begins with Python 3.11
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, path: str, done: int, size: int | None) -> None:
        """Show how far one file is, also where nobody knows its size; of many, those that have arrived make room."""
        if path not in self._tasks:
            self._tasks[path] = self._progress.add_task(path, total=size)
        shown = size is None or done < size or len(self._tasks) <= _BARS_KEPT
        self._progress.update(self._tasks[path], completed=done, total=size, visible=shown)


def counted(files: int) -> str:
    """A number of files in words."""
    return "1 file" if files == 1 else f"{files} files"


def sum_of(verb: str, transfers: Sequence[Transfer]) -> str:
    """How many files were sent or fetched, and how large they are together."""
    return f"{verb} {counted(len(transfers))} ({decimal(sum(transfer.size for transfer in transfers))})"


def _tick(good: bool) -> Text:
    return Text("✓", "green") if good else Text("✗", _FAILED)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=column not in {"Labels", "Reason"})
    return table


def _pairs(labels: Mapping[str, str]) -> list[str]:
    return [f"{key}={value}" for key, value in labels.items()]


def _one_line(text: str) -> Text:
    """A text that gives way to what stands before it, and is cut where the line ends."""
    return Text(" ".join(text.split()), no_wrap=True, overflow="ellipsis")


def _clock(at: datetime | None) -> str:
    return at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if at else ""


def _ago(at: datetime) -> str:
    seconds = (datetime.now(_UTC) - at).total_seconds()
    span, _, _ = _span(max(0, seconds)).partition(" ")
    return _clock(at) if seconds > 86400 * 7 else f"{span} ago"


def _ran(job: JobInfo) -> str:
    if job.started_at is None:
        return ""
    end = job.ended_at or datetime.now(_UTC)
    return _span((end - job.started_at).total_seconds())


def _span(seconds: float) -> str:
    whole = int(seconds)
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if whole >= size:
            below = {"d": ("h", 3600), "h": ("m", 60), "m": ("s", 1)}[unit]
            rest = whole % size // below[1]
            return f"{whole // size}{unit}" + (f" {rest}{below[0]}" if rest else "")
    return f"{whole}s"
