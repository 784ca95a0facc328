"""The reckoning: what the gateway says of its jobs against what Slurm, the folders and the log say.

Written without a line of the gateway's own reading of Slurm, so that the two cannot be wrong in the same way.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from sqlmodel import col, select

from gql_gateway.core.states import FINAL, JobState, may_become
from gql_gateway.store.database import Database
from gql_gateway.store.tables import Job, JobEvent
from slurm_site import SlurmSite
from tests.faults.users import Plan

SAYS = {
    "COMPLETED": "COMPLETED",
    "CANCELLED": "CANCELLED",
    "FAILED": "FAILED",
    "TIMEOUT": "TIMED_OUT",
    "NODE_FAIL": "NODE_FAILED",
}


@dataclass(slots=True)
class Reckoning:
    """Faults found, in words; empty lists are what is wanted."""

    jobs: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        return self.lost + self.doubled + self.wrong + self.log + self.files


@dataclass(frozen=True, slots=True)
class Account:
    """One Slurm job, as accounting tells it."""

    number: str
    state: str
    started: bool


def stored(url: str) -> tuple[list[Job], list[JobEvent]]:
    """Every job and every event of a store."""

    async def read() -> tuple[list[Job], list[JobEvent]]:
        database = Database(url)
        try:
            async with database.reading() as session:
                jobs = list(await session.exec(select(Job)))
                return jobs, list(await session.exec(select(JobEvent).order_by(col(JobEvent.id))))
        finally:
            await database.close()

    with ThreadPoolExecutor(1) as pool:  # the caller may have a running loop
        return pool.submit(asyncio.run, read()).result()


def unsettled(url: str) -> list[Job]:
    """Launched jobs that have not ended, and jobs half made."""
    return [job for job in stored(url)[0] if not job.prepared or job.state not in FINAL]


def accounts(site: SlurmSite) -> dict[str, list[Account]]:
    """Every Slurm job of every account, by name; also those that ended before they were eligible to start."""
    command = ["sacct", "-a", "-X", "-n", "-P", "-S", "2020-01-01", "-s", "CA,CD,F,NF,PD,R,S,TO,OOM,PR,RQ,BF,DL"]
    rows = site.run([*command, "-E", "now+1day", "-o", "JobIDRaw,State,Start,NodeList,JobName"], user=site.username)
    found: dict[str, list[Account]] = {}
    for row in rows.stdout.splitlines():
        number, state, _, nodes, name = row.split("|")
        account = Account(number, state.split()[0], nodes != "None assigned")
        found.setdefault(name, []).append(account)
    return found


def folders(site: SlurmSite) -> dict[str, dict[str, str]]:
    """What lies in each job's folder: a line count of the canary, hashes of all else in `work`."""
    script = """cd "$1" && for j in */*/; do
        for f in $j* $j.[!.]* $j/work/* $j/work/.[!.]* $j/incoming/*; do
            [ -f "$f" ] || continue
            case $f in
                */canary) echo "$f $(wc -l <"$f")" ;;
                */work/*) echo "$f $(sha256sum <"$f")" ;;
                *) echo "$f -" ;;
            esac
        done
    done"""
    found: dict[str, dict[str, str]] = {}
    for line in site.run(["bash", "-c", script, "bash", site.root], timeout=120).stdout.splitlines():
        path, value = line.split()[:2]
        _, job, *rest = (part for part in path.split("/") if part)
        found.setdefault(job, {})["/".join(rest)] = value
    return found


def reckon(site: SlurmSite, store: str, plans: Sequence[Plan], strangers: Collection[str] = ()) -> Reckoning:
    """Compare everything with everything, but for folders and Slurm jobs of other stores on the same site."""
    jobs, events = stored(store)
    known = {job.id: job for job in jobs}
    slurm = {name: ran for name, ran in accounts(site).items() if name not in strangers}
    disk = {name: held for name, held in folders(site).items() if name not in strangers}
    result = Reckoning(jobs=len(plans))
    for plan in plans:
        job = known.get(plan.job_id)
        if job is None or not job.prepared:
            result.lost.append(f"{plan.key}: no such job {plan.job_id}")
            continue
        _check_runs(result, plan, job, slurm.get(f"gw-{job.id}", []), disk.get(job.id, {}))
        _check_files(result, plan, disk.get(job.id, {}))
    twice = [name for name, number in Counter(plan.job_id for plan in plans).items() if number > 1]
    result.wrong += [f"two plans share the job {name}" for name in twice]
    result.lost += [f"folder without a job: {name}" for name in disk if name not in known]
    result.doubled += [f"Slurm job without a job: {name}" for name in slurm if name.removeprefix("gw-") not in known]
    _check_log(result, known, events)
    return result


def _check_runs(result: Reckoning, plan: Plan, job: Job, ran: list[Account], disk: dict[str, str]) -> None:
    canaries = int(disk.get("work/canary", 0))
    words = f"{plan.key} {job.id}: {job.state} ({job.reason}), Slurm: {ran}, canaries: {canaries}"
    if len(ran) > 1 or canaries > 1:
        result.doubled.append(words)
    if job.state not in FINAL or job.state is JobState.LOST:
        result.lost.append(words)
    elif not ran:
        if not (job.state is JobState.CANCELLED and plan.cancel_after is not None):
            result.lost.append(words)
    elif (job.slurm_job_id, job.state) not in {(one.number, SAYS.get(one.state)) for one in ran}:
        result.wrong.append(words)
    elif job.state is JobState.COMPLETED and canaries != 1:
        result.lost.append(words)


def _check_files(result: Reckoning, plan: Plan, disk: dict[str, str]) -> None:
    expected = {"run.sh", "started", "end", "work/canary", "work/input"}
    odd = [name for name in disk if name not in expected and not name.startswith("slurm-")]
    if odd:
        result.files.append(f"{plan.key} {plan.job_id}: left behind: {odd}")
    if plan.input_sha256 and disk.get("work/input") != plan.input_sha256:
        result.files.append(f"{plan.key} {plan.job_id}: its input is not whole")


def _check_log(result: Reckoning, jobs: dict[str, Job], events: Sequence[JobEvent]) -> None:
    last: dict[str, JobState] = {}
    for event in events:
        before = last.get(event.job_id)
        if event.previous_state != before:
            result.log.append(f"event {event.id} of {event.job_id}: from {event.previous_state}, was {before}")
        if before and not may_become(before, event.state):
            result.log.append(f"event {event.id} of {event.job_id}: {before} to {event.state}")
        last[event.job_id] = event.state
    for job in jobs.values():
        if job.prepared and last.get(job.id) is not job.state:
            result.log.append(f"{job.id} is {job.state}, its last event says {last.get(job.id)}")
