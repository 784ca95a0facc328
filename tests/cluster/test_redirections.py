"""Files of the job as standard streams, on the real site: there for an image without a shell, and never by a link."""

from collections.abc import Iterator

import pytest

from slurm_site import SlurmSite
from tests.cluster.slurm_user import USER, SubmittedJob, submit, wait_for

VICTIM = f"/scratch/hpcgw/{USER}/victim"
NOSHELL = "/opt/img/noshell.sif"
CAT = ("/bin/cat", "-")


@pytest.fixture(scope="module")
def jobs(site: SlurmSite) -> Iterator[dict[str, SubmittedJob]]:
    site.run(["mkdir", "-p", f"/scratch/hpcgw/{USER}"], user=site.username)
    site.run(["sh", "-c", f"echo untouched > {VICTIM}"], user=site.username)
    planted = f"ln -s {VICTIM} work/out; ln -s {VICTIM} work/err"
    submitted = {
        "entry": submit(site, image=NOSHELL, entry_point=True, args=("a b",), stdout="out"),
        "streams": submit(site, image=NOSHELL, args=CAT, before="echo hello > work/in", stdin="in", stdout="out"),
        "both": submit(site, image=NOSHELL, args=("/bin/cat", "/none"), stdout="out", stderr="out"),
        "apart": submit(site, image=NOSHELL, args=("/bin/cat", "/none"), stdout="out", stderr="err"),
        "links": submit(site, image=NOSHELL, args=("/bin/echo", "x"), before=planted, stdout="out", stderr="err"),
        "read link": submit(site, image=NOSHELL, args=CAT, before=f"ln -s {VICTIM} work/in", stdin="in", stdout="out"),
        "no input": submit(site, image=NOSHELL, args=CAT, stdin="in", stdout="out"),
        "folder": submit(site, image=NOSHELL, args=("/bin/echo", "x"), before="mkdir work/out", stdout="out"),
        "fifo": submit(site, image=NOSHELL, args=CAT, before="mkfifo work/in", stdin="in", stdout="out"),
        "swapped": submit(
            site,
            command=f"rm out; ln -s {VICTIM} out; echo x",
            stdout="out",
        ),
    }
    yield submitted
    site.run(["scancel", "--me"], user=site.username)
    wait_for(lambda: True if not site.run(["squeue", "--me", "--noheader"], user=site.username).stdout else None)
    site.run(["rm", "-rf", f"{site.root}/{USER}"])


def work(job: SubmittedJob, name: str) -> str:
    return (job.folder / "work" / name).read_text()


def exit_code(job: SubmittedJob) -> str:
    job.ended()
    return job.record("end")[1]


def test_an_entry_point_takes_arguments_and_a_file(jobs: dict[str, SubmittedJob]) -> None:
    assert exit_code(jobs["entry"]) == "0"
    assert work(jobs["entry"], "out").startswith("entry point of noshell.sif:")
    assert work(jobs["entry"], "out").endswith(" a b\n")


def test_what_goes_in_and_out(jobs: dict[str, SubmittedJob]) -> None:
    assert exit_code(jobs["streams"]) == "0"
    assert work(jobs["streams"], "out") == "hello\n"
    assert (jobs["streams"].folder / "work/out").stat().st_mode & 0o777 == 0o600
    assert not list(jobs["streams"].folder.glob(".std*")), "nothing is left beside"


def test_errors_go_where_they_are_sent(jobs: dict[str, SubmittedJob]) -> None:
    for name, file in (("both", "out"), ("apart", "err")):
        assert exit_code(jobs[name]) == "1"
        assert work(jobs[name], file).endswith("'/none': No such file or directory\n")
    assert work(jobs["apart"], "out") == ""


def test_planted_links_are_replaced_and_not_followed(jobs: dict[str, SubmittedJob], site: SlurmSite) -> None:
    assert exit_code(jobs["links"]) == "0"
    assert work(jobs["links"], "out") == "x\n"
    assert not (jobs["links"].folder / "work/out").is_symlink()
    assert site.run(["cat", VICTIM]).stdout == "untouched\n"


@pytest.mark.parametrize("name", ["read link", "no input", "folder"])
def test_what_is_no_file_ends_the_job(jobs: dict[str, SubmittedJob], name: str) -> None:
    assert exit_code(jobs[name]) == "95"
    assert "gateway: " in jobs[name].output


def test_a_fifo_hangs_nothing(jobs: dict[str, SubmittedJob]) -> None:
    assert exit_code(jobs["fifo"]) in {"0", "95"}


def test_the_container_moves_only_names(jobs: dict[str, SubmittedJob], site: SlurmSite) -> None:
    """It holds an open file, and no folder; what it puts under the name is not written to."""
    assert exit_code(jobs["swapped"]) == "0"
    assert site.run(["cat", VICTIM]).stdout == "untouched\n"
    assert "slurm" not in jobs["swapped"].output
