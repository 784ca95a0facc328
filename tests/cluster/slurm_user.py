"""The gateway's account on the real site, without the gateway: what is sent to Slurm and what is read from it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from gql_gateway.cluster import script, slurm
from gql_gateway.cluster.slurm import Answer
from gql_gateway.core.ids import new_id, slurm_name
from gql_gateway.core.spec import check_spec
from gql_gateway.core.states import FINAL, Observation
from slurm_site import SlurmSite

Level = TypeVar("Level")
USER = "script_tests"


def wait_for(level: Callable[[], Level | None], seconds: float = 45) -> Level:
    """The level, as soon as it is there."""
    end = time.monotonic() + seconds
    while (found := level()) is None:
        assert time.monotonic() < end, "it never came"
        time.sleep(0.03)
    return found


def ask(site: SlurmSite, argv: Sequence[str], text: str = "", **variables: str) -> Answer:
    """Run a command of Slurm's as the gateway's agent does."""
    environment = {"LC_ALL": "C", "SLURM_TIME_FORMAT": "%s"} | variables
    words = ["env", *(f"{name}={value}" for name, value in environment.items()), *argv]
    told = site.run(words, user=site.username, input=text, check=False, timeout=60)
    return Answer(told.returncode, told.stdout, told.stderr)


@dataclass(frozen=True)
class SubmittedJob:
    """A job on the site: its folder as the host sees it, and what Slurm and the folder say of it."""

    site: SlurmSite
    job_id: str
    slurm_job_id: str
    text: str

    @property
    def folder(self) -> Path:
        return self.site.rootfs / f"{self.site.root}/{USER}/{self.job_id}".lstrip("/")

    @property
    def output(self) -> str:
        file = self.folder / f"slurm-{self.slurm_job_id}.out"
        return file.read_text() if file.exists() else ""

    def observed(self) -> Observation | None:
        """What squeue says of it."""
        told = slurm.read_queue(ask(self.site, slurm.squeue_by_name(self.job_id)), datetime.now(UTC))
        return next((seen for seen in told if seen.slurm_job_id == self.slurm_job_id), None)

    def ended(self) -> Observation:
        """What squeue says of it at its end."""
        return wait_for(lambda: seen if (seen := self.observed()) and seen.state in FINAL else None)

    def record(self, name: str) -> list[str]:
        """The words of a record that run.sh left."""
        return (self.folder / name).read_text().split()

    def again(self) -> "SubmittedJob":
        """A second copy of it."""
        return SubmittedJob(self.site, self.job_id, submitted(self.site, self.job_id, self.text), self.text)


def submitted(site: SlurmSite, job_id: str, text: str) -> str:
    return slurm.read_submission(ask(site, slurm.sbatch(job_id), text))


def submit(
    site: SlurmSite, before: str = "true", *, settings: dict[str, Any] | None = None, **spec: Any
) -> SubmittedJob:
    """Prepare a job's folder, run `before` in it as the account, and submit its script."""
    job_id = new_id()
    folder = f"{site.root}/{USER}/{job_id}"
    prepare = f'umask 077; mkdir -p "$1/.gateway" "$2/work"; cd "$2" && {before}'
    site.run(["sh", "-ec", prepare, "sh", site.root, folder], user=site.username)
    values = {"name": "a label", "image": site.image} | spec
    text = script.render(
        script.ScriptInput(job_id, site.root, f"{USER}/{job_id}", check_spec(values), **(settings or {}))
    )
    return SubmittedJob(site, job_id, submitted(site, job_id, text), text)


def notices(site: SlurmSite, job: SubmittedJob) -> list[str]:
    """What the job appended to the notice file."""
    lines = (site.rootfs / f"{site.root}/.gateway/notices".lstrip("/")).read_text().splitlines()
    return [
        line.removeprefix(slurm_name(job.job_id) + " ") for line in lines if line.startswith(slurm_name(job.job_id))
    ]
