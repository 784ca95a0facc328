"""A scientist's day with the client, on the real site."""

import tarfile
import threading
import time
from pathlib import Path

import pytest

from gql_gateway.sdk import (
    AsyncHpcGateway,
    FileNotFound,
    FileProtected,
    HpcGateway,
    InvalidInput,
    InvalidState,
    JobFailed,
    JobState,
    NotFound,
    PathNotAllowed,
    SubmitRefused,
    Unauthenticated,
    UserNotCreated,
    WaitTimeout,
)
from slurm_site import SlurmSite
from tests.sdk.conftest import IMAGE

OLD_WAY = {
    "job_name": "first",
    "ntasks_per_node": 1,
    "partition": "debug",
    "image": IMAGE,
    "executable_cmd": "cat input.txt > output; echo done",
}


def test_the_nine_known_methods(scientist: HpcGateway, tmp_path: Path) -> None:
    source, target = tmp_path / "source.txt", tmp_path / "target.txt"
    source.write_text("content\n")
    assert scientist.heartbeat()["ok"]
    assert scientist.create_user()["home"].endswith("/sdk")
    jobid = scientist.create_job(new_transformation=OLD_WAY)
    scientist.upload_file(jobid=jobid, filename="input.txt", source_path=str(source))
    assert scientist.launch_job(jobid=jobid)["jobid"] == jobid
    scientist.job(jobid).wait(60)
    status = scientist.check_job_state(jobid=jobid)
    assert (status["state"], status["exit_code"]) == ("COMPLETED", 0)
    assert {file["name"] for file in status["files"]} == {
        "run.sh",
        "input.txt",
        "output",
        f"slurm-{status['slurm_job_id']}.out",
    }
    scientist.download_file(jobid, "output", target)
    assert target.read_text() == "content\n"
    assert scientist.delete_file(jobid=jobid, filename="output")["path"] == "output"
    assert scientist.cancel_job(jobid=jobid)["state"] == "COMPLETED"


def test_all_in_one_call(scientist: HpcGateway, tmp_path: Path) -> None:
    inputs, results = tmp_path / "inputs", tmp_path / "results"
    (inputs / "deep" / "er").mkdir(parents=True)
    (inputs / "a.txt").write_text("a")
    (inputs / "deep" / "er" / "b c.txt").write_text("b")
    (inputs / "empty").touch()
    moved: dict[str, tuple[int, int]] = {}

    def progress(path: str, done: int, size: int) -> None:
        moved[path] = (done, size)

    command = "mkdir out; cat a.txt 'deep/er/b c.txt' > out/ab; echo written"
    job = scientist.run(IMAGE, command, upload=inputs, download=results, progress=progress, time_limit="2m")
    assert job.info.state is JobState.COMPLETED
    assert job.info.resources.time_limit_seconds == 120
    assert (results / "out" / "ab").read_text() == "ab"
    assert (results / "deep" / "er" / "b c.txt").read_text() == "b"
    assert (results / "empty").read_bytes() == b""
    assert (results / f"slurm-{job.info.slurm_job_id}.out").read_text() == "written\n"
    assert moved["deep/er/b c.txt"] == (1, 1)
    assert not [path for path in results.rglob("*") if path.name.endswith(".part")]


def test_a_job_that_fails_is_an_exception_with_its_evidence(scientist: HpcGateway, tmp_path: Path) -> None:
    with pytest.raises(JobFailed) as failed:
        scientist.run(IMAGE, "echo why; exit 7", download=tmp_path)
    assert (failed.value.job.state, failed.value.job.exit_code) == (JobState.FAILED, 7)
    assert [path.read_text() for path in tmp_path.glob("slurm-*.out")] == ["why\n"]
    assert scientist.run(IMAGE, "exit 7", check=False).state is JobState.FAILED


def test_states_and_output_are_pushed(scientist: HpcGateway) -> None:
    job = scientist.new_job("pushed", IMAGE, args=["sh", "-c", "echo one; sleep 1; echo two"])
    seen: list[JobState] = []
    watching = threading.Event()

    def watch() -> None:
        for change in job.watch():
            seen.append(change.state)
            watching.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert watching.wait(30)
    job.launch()
    assert "".join(job.output()) == "one\ntwo\n"
    watcher.join(30)
    history = [change.state for change in job.history()]
    assert (
        seen == history == [JobState.CREATED, JobState.LAUNCHING, JobState.QUEUED, JobState.RUNNING, JobState.COMPLETED]
    )
    assert [change.state for change in job.watch()] == [JobState.COMPLETED], "of an ended job its end is told"
    assert list(job.watch(after=job.history()[-1].cursor)) == [], "and behind its end nothing"
    assert [change.state for change in job.watch(after=job.history()[2].cursor)] == history[3:]


def test_waiting_has_a_limit_and_leaves_the_job_alone(scientist: HpcGateway) -> None:
    job = scientist.new_job("waits", IMAGE, "sleep 100")
    job.launch()
    with pytest.raises(WaitTimeout):
        job.wait(0.5)
    assert not job.refresh().is_final
    assert job.cancel().state in {JobState.QUEUED, JobState.RUNNING, JobState.CANCELLED}
    assert job.wait(60).state is JobState.CANCELLED


def test_a_clone_has_the_inputs(scientist: HpcGateway, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("same")
    job = scientist.new_job("parent", IMAGE, "cat in.txt", labels={"project": "water", "a": ""})
    job.upload(tmp_path / "in.txt")
    copy = job.clone()
    assert copy.id != job.id
    assert list(copy.info.labels.items()) == [("project", "water"), ("a", "")]
    copy.launch()
    assert "".join(copy.output()) == "same"
    assert "#SBATCH" in copy.script()
    copy.wait(60)
    copy.delete()
    with pytest.raises(NotFound):
        copy.refresh()


def test_what_a_job_used(scientist: HpcGateway) -> None:
    command = "head -c 40000000 /dev/zero | tr '\\0' a | sort > /dev/null; sleep 2"
    job = scientist.new_job("used", IMAGE, command, memory_per_node="500M")
    assert job.info.usage is None
    job.launch()
    job.wait(60)
    deadline = time.monotonic() + 40
    while (used := job.refresh().usage) is None or used.cpu_seconds is None:
        assert time.monotonic() < deadline, "the site's accounts were not asked"
        time.sleep(0.2)
    assert used.elapsed_seconds >= 2
    assert 10_000_000 < (used.peak_memory or 0) <= (job.info.resources.memory_per_node or 0)
    assert (used.nodes or "").startswith("c")
    assert 0 < (job.info.cpu_efficiency or 0) < 10


def test_a_dry_run_launches_nothing(scientist: HpcGateway) -> None:
    job = scientist.new_job("tried", IMAGE, "true", nodes=2)
    forecast = job.forecast()
    assert forecast.expected_start_at is not None
    assert forecast["partition"] == "debug"
    assert forecast.nodes
    assert "to start at" in forecast.words
    assert (job.refresh().state, job.info.slurm_job_id) == (JobState.CREATED, None)
    large = scientist.new_job("too large", IMAGE, "true", memory_per_node="100T")
    with pytest.raises(SubmitRefused) as refused:
        large.forecast()
    assert refused.value.detail
    assert large.refresh().state is JobState.CREATED
    job.cancel()
    with pytest.raises(InvalidState, match="CANCELLED"):
        job.forecast()


def test_a_folder_as_one_file(scientist: HpcGateway, tmp_path: Path) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    source.write_bytes(b"content" * 300_000)
    job = scientist.new_job("to pack", IMAGE)
    job.upload(source, "data/a b-é.bin")
    moved: list[tuple[str, int, int | None]] = []

    def progress(name: str, done: int, size: int | None) -> None:
        moved.append((name, done, size))

    packed = job.download_archive(out / "all.tar", progress=progress)
    with tarfile.open(packed.local_path) as tar:
        assert sorted(tar.getnames()) == ["to_pack", "to_pack/data", "to_pack/data/a b-é.bin", "to_pack/run.sh"]
        content = tar.extractfile("to_pack/data/a b-é.bin")
        assert content
        assert content.read() == source.read_bytes()
    assert (packed.files, packed.size) == (2, packed.local_path.stat().st_size)
    assert moved[-1] == ("all.tar", packed.size, None)
    assert job.download_archive(out / "data.TAR", "data").files == 1
    for path, refusal in (("data/a b-é.bin", PathNotAllowed), ("nothing", FileNotFound)):
        with pytest.raises(refusal):
            job.download_archive(out / "none.tar", path)
    for name in ("all.tar.gz", "all.zip", "all"):
        with pytest.raises(InvalidInput, match=r"must end with \.tar"):
            job.download_archive(out / name)
    assert {path.name for path in out.iterdir()} == {"all.tar", "data.TAR"}


def test_the_list_of_jobs(scientist: HpcGateway) -> None:
    made = [scientist.new_job(f"listed-{number}", IMAGE).id for number in range(3)]
    found = [job.id for job in scientist.jobs(search="listed-")]
    assert found == made[::-1]
    assert [job.id for job in scientist.jobs(search="listed-", limit=2)] == found[:2]
    assert list(scientist.jobs(states=[JobState.LOST])) == []


def test_jobs_by_their_labels(scientist: HpcGateway) -> None:
    first, second, _ = (
        scientist.create_job({"name": "labelled", "image": IMAGE, "labels": labels})
        for labels in ({"day": "monday", "run": 1}, {"run": 2, "day": "monday"}, {"day": "tuesday", "run": 2})
    )
    monday = list(scientist.jobs(labels={"day": "monday"}))
    assert [job.id for job in monday] == [second, first]
    assert list(monday[0].info.labels.items()) == [("run", "2"), ("day", "monday")], "in the order they were given"
    assert [job.id for job in scientist.jobs(search="labelled", labels={"day": "monday", "run": "2"})] == [second]
    assert list(scientist.jobs(labels={"day": "sunday"})) == []
    with pytest.raises(InvalidInput) as invalid:
        scientist.new_job("labelled", IMAGE, labels={"two words": ""})
    assert (invalid.value.field or ())[:2] == ("input", "labels")


def test_refusals_are_exceptions_with_words(scientist: HpcGateway, tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text("evil")
    job = scientist.new_job("refused", IMAGE, "true", partition="nowhere")
    with pytest.raises(SubmitRefused) as refused:
        job.launch()
    assert "invalid partition" in str(refused.value).lower()
    with pytest.raises(InvalidInput) as invalid:
        scientist.new_job("two\nlines", IMAGE)
    assert invalid.value.field == ("input", "name")
    with pytest.raises(FileProtected):
        job.upload(tmp_path / "run.sh")
    with pytest.raises(PathNotAllowed):
        job.upload(tmp_path / "run.sh", "../x")
    with pytest.raises(FileNotFound):
        job.download("nothing", tmp_path / "nothing")
    with pytest.raises(FileNotFound):
        job.files("nothing")
    job.upload(tmp_path / "run.sh", "folder/file")
    with pytest.raises(PathNotAllowed, match="DIRECTORY"):
        job.download("folder", tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["run.sh"], "a download that fails leaves nothing"
    with pytest.raises(NotFound):
        scientist.job("job_" + "0" * 32)


def test_without_a_user_and_without_a_token(scientist: HpcGateway, gateway_url: str, new_token: str) -> None:
    with HpcGateway(gateway_url, "wrong") as stranger:
        with pytest.raises(Unauthenticated):
            stranger.clusters()
        with pytest.raises(Unauthenticated):
            next(iter(stranger.watch()))
    with HpcGateway(gateway_url, lambda: new_token) as newcomer:
        assert newcomer.me() is None
        with pytest.raises(UserNotCreated):
            newcomer.new_job("early", IMAGE)
    assert scientist.me() is not None


def test_what_the_cluster_has(scientist: HpcGateway) -> None:
    (cluster,) = scientist.clusters()
    assert cluster.available
    assert [partition.name for partition in cluster.partitions or [] if partition.is_default] == ["debug"]


async def test_the_asynchronous_client(gateway_url: str, scientist_token: str, site: SlurmSite) -> None:
    async with AsyncHpcGateway(gateway_url, scientist_token) as gateway:
        job = await gateway.run(IMAGE, "echo $GREETING > said", environment={"GREETING": "hello"})
        text = site.run(["cat", f"{job.info.folder}/work/said"]).stdout
        assert text == "hello\n"
        assert [other.id async for other in gateway.jobs(limit=1)] == [job.id]


def test_many_threads_share_one_client(scientist: HpcGateway, tmp_path: Path) -> None:
    job = scientist.new_job("shared", IMAGE)
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            source = tmp_path / f"{number}.txt"
            source.write_text(str(number))
            job.upload(source)
            job.download(source.name, tmp_path / f"{number}.back")
        except BaseException as error:  # noqa: BLE001 - a thread's error is told by the test
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    assert sorted(path.read_text() for path in tmp_path.glob("*.back")) == sorted(map(str, range(12)))
