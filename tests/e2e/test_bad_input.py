"""Bad input, each kind with its code, its place and what is allowed; and nothing of it reaches the cluster."""

import httpx
import pytest

from slurm_site import SlurmSite
from tests.client import JOB, Client

CREATE = ("createJob", "CreateJobInput", "job { id }")
VALUES: dict[str, object] = {"name": "test", "image": "/opt/img/busybox.sif", "command": "true"}


@pytest.mark.parametrize("name", ["a\nb", "a'b", 'a"b', "#SBATCH -p x", "$(touch /tmp/x)", "", "x" * 100])
def test_a_name_that_could_mean_something(alice: Client, name: str) -> None:
    error = alice.refused(*CREATE, **VALUES | {"name": name})
    assert (error["code"], error["field"]) == ("INVALID_INPUT", ["input", "name"])
    assert "letters" in error["message"]


@pytest.mark.parametrize("image", ["/etc/passwd", "/opt/img/../x.sif", "library://x/y", "/opt/img/sub/x.sif"])
def test_an_image_outside_the_allowed_patterns(alice: Client, image: str) -> None:
    error = alice.refused(*CREATE, **VALUES | {"image": image})
    assert error["code"] in {"IMAGE_NOT_ALLOWED", "INVALID_INPUT"}
    assert error["field"] == ["input", "image"]


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ({"partition": "nosuch"}, "Invalid partition name specified"),
        (
            {"partition": "short", "timeLimitSeconds": 3600},
            "Requested time limit is invalid (missing or exceeds some limit)",
        ),
        ({"memoryPerNode": 2**50}, "Requested node configuration is not available"),
        ({"nodes": 400}, "More processors requested than permitted"),
    ],
)
def test_what_slurm_refuses_is_told_in_its_words_and_final(
    alice: Client, resources: dict[str, object], words: str
) -> None:
    job = alice.create_job("true", resources=resources)
    for _ in range(2):  # the same answer again
        error = alice.refused("launch", "JobInput", f"job {{ {JOB} }}", jobId=job["id"])
        assert (error["code"], error["retryable"]) == ("SUBMIT_REFUSED", False)
        assert error["detail"].endswith(words)
    ended = alice.job(job["id"], "events { nodes { state } }")
    assert ended["state"] == "FAILED"
    assert ended["slurmJobId"] is None
    assert [event["state"] for event in ended["events"]["nodes"]] == ["CREATED", "LAUNCHING", "FAILED"]


@pytest.mark.parametrize("job_id", ["", "x", "job_", "job_" + "0" * 32, "user_" + "0" * 32, "Sm9iOjE="])
def test_an_unknown_job_id(alice: Client, job_id: str) -> None:
    assert alice.job(job_id) is None
    for field in ("launch", "cancel", "cloneJob"):
        error = alice.refused(field, "JobInput", "job { id }", jobId=job_id)
        assert (error["code"], error["message"]) == ("NOT_FOUND", "There is no such job.")


def test_a_foreign_job_looks_like_one_that_is_not_there(alice: Client, bob: Client) -> None:
    job = alice.create_job()
    assert bob.job(job["id"]) is None
    assert bob.ask("query($id: ID!) { node(id: $id) { id } }", id=job["id"])["node"] is None
    unknown = "job_" + "0" * 32
    for field, kind, rest in [
        ("launch", "JobInput", {}),
        ("cancel", "JobInput", {}),
        ("cloneJob", "JobInput", {}),
        ("deleteJob", "JobInput", {}),
        ("deleteFile", "DeleteFileInput", {"path": "x"}),
    ]:
        selection = {"deleteJob": "deletedJobId", "deleteFile": "deletedPath"}.get(field, "job { id }")
        foreign = bob.refused(field, kind, selection, jobId=job["id"], **rest)
        assert foreign == bob.refused(field, kind, selection, jobId=unknown, **rest)
    assert bob.upload(job["id"], "x", b"x")["userErrors"] == bob.upload(unknown, "x", b"x")["userErrors"]
    assert alice.job(job["id"])["state"] == "CREATED"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("../x", "PATH_NOT_ALLOWED"),
        ("/etc/x", "PATH_NOT_ALLOWED"),
        ("run.sh", "FILE_PROTECTED"),
        ("./run.sh", "FILE_PROTECTED"),
        ("a/../run.sh", "FILE_PROTECTED"),
        ("slurm-1.out", "FILE_PROTECTED"),
        ("x" * 300, "PATH_NOT_ALLOWED"),
        ("", "PATH_NOT_ALLOWED"),
        ("a\nb", "PATH_NOT_ALLOWED"),
    ],
)
def test_an_upload_to_a_place_that_is_not_for_uploads(alice: Client, site: SlurmSite, path: str, code: str) -> None:
    job = alice.create_job()
    (error,) = alice.upload(job["id"], "name", b"evil", path=path)["userErrors"]
    assert error["code"] == code
    assert set(alice.files(job["id"])) == {"run.sh"}
    assert site.run(["cat", f"{job['folder']}/run.sh"]).stdout == job["script"]


def test_what_is_no_regular_file_is_never_read(alice: Client) -> None:
    job = alice.run("mkdir d; mkfifo f; ln -s /etc/passwd l; ln -s ../run.sh r; ln -s / e")
    files = alice.files(job["id"])
    assert {path: files[path]["kind"] for path in "dflre"} == {
        "d": "DIRECTORY",
        "f": "OTHER",
        "l": "SYMLINK",
        "r": "SYMLINK",
        "e": "SYMLINK",
    }
    assert all(files[path]["downloadUrl"] is None for path in "dflre")
    query = (
        "query($id: ID!, $path: String!) { job(id: $id) { file(path: $path) { path } files(path: $path) { path } } }"
    )
    answer = alice.post(query, id=job["id"], path="e/etc").json()
    assert "root" not in str(answer["data"])
    (error,) = alice.upload(job["id"], "x", b"x", path="e/tmp/planted")["userErrors"]
    assert error["code"] == "PATH_NOT_ALLOWED"


def test_deleting_what_is_not_there(alice: Client) -> None:
    job = alice.create_job()
    error = alice.refused("deleteFile", "DeleteFileInput", "deletedPath", jobId=job["id"], path="nothing")
    assert error["code"] == "FILE_NOT_FOUND"
    error = alice.refused("deleteFile", "DeleteFileInput", "deletedPath", jobId=job["id"], path="run.sh")
    assert error["code"] == "FILE_PROTECTED"


def test_a_caller_who_is_no_user_yet(gateway: object, alice: Client) -> None:
    with Client.of(gateway, "new@example.org") as new:  # type: ignore[arg-type]
        assert new.ask("{ me { id } }")["me"] is None
        assert new.refused(*CREATE, **VALUES)["code"] == "USER_NOT_CREATED"
        assert new.ask("{ jobs { totalCount } }")["jobs"]["totalCount"] == 0


def test_without_a_token_only_the_heartbeat_answers(alice: Client) -> None:
    answer = httpx.post(f"{alice.url}/graphql", json={"query": "{ me { id } }"})
    assert answer.status_code == 401
    assert answer.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
