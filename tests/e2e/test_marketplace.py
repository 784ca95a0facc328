"""The published marketplace-hpc 2.0.0 with marketplace-sdk, unmodified, on the real site."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from demo.gateway import GatewayProcess
from slurm_site import SlurmSite
from tests.client import Client, mint

NOTEBOOK = Path(__file__).with_name("old_notebook.py")
UV = Path(sys.executable).with_name("uv")
EMAIL = "materials.marketplace@example.org"
# The oldest and the newest marketplace-sdk that marketplace-hpc works with, each with its marketplace-standard-app-api.
VERSIONS = {"0.3.2": "0.4.0", "0.5.0": "0.6.0"}
# marketplace-hpc asks for requests 2.26, marketplace-sdk for a newer one; nothing here needs their message broker.
NEEDED = ("requests>2.26,<3", "packaging<=23.0", "fastapi<=0.95.1", "pydantic==1.10.*")


def fitting() -> str:
    """A Python 3.9, for which the packages were made, or where there is none this one, on which they work too."""
    found = subprocess.run([UV, "python", "find", "--no-project", "3.9"], capture_output=True, text=True, check=False)
    others = sorted(Path.home().glob(".pyenv/versions/3.9.*/bin/python"))
    return found.stdout.strip() or str(others[-1] if others else sys.executable)


@pytest.fixture(scope="module", params=VERSIONS)
def python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with the packages, in an environment of its own."""
    version = request.param
    env = tmp_path_factory.mktemp("marketplace") / "env"
    python = env / "bin/python"
    subprocess.run([UV, "venv", "-q", "--no-project", "--python", fitting(), env], check=True)
    install = [UV, "pip", "install", "-q", "--python", python]
    sdk = [f"marketplace-sdk=={version}", f"marketplace-standard-app-api=={VERSIONS[version]}"]
    subprocess.run([*install, "--no-deps", "marketplace-hpc==2.0.0", *sdk], check=True)
    subprocess.run([*install, *NEEDED], check=True)
    return python


@pytest.fixture(scope="module")
def marketplace(site: SlurmSite, tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayProcess]:
    folder = tmp_path_factory.mktemp("marketplace")
    with GatewayProcess(site, folder, more="[marketplace]\nenabled = true\n", cluster="poll_seconds = 1") as running:
        yield running


@pytest.fixture(scope="module")
def told(python: Path, marketplace: GatewayProcess, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the notebook was told, with an image without a shell."""
    command = [python, NOTEBOOK, f"{marketplace.url}/", mint(marketplace, EMAIL), "/opt/img/noshell.sif"]
    folder = tmp_path_factory.mktemp("notebook")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def names(state: Any) -> list[str]:
    return [file["name"] for file in state["files"]]


def test_the_user(told: Any, site: SlurmSite) -> None:
    user = told["user"]
    assert set(user) == {"_id", "email", "home", "name", "message"}
    assert (user["email"], user["home"]) == (EMAIL, f"{site.root}/materials_marketplace")
    assert user["message"] == "Success: Create user in database."
    assert "running" in told["heartbeat"]["message"]


def test_the_job_runs_and_its_redirected_output_is_in_its_folder(told: Any) -> None:
    assert told["launch"]["jobid"] == told["jobid"]
    assert told["early"]["message"] == "Files in the job folder."
    assert (told["final"]["state"], told["final"]["exit_code"]) == ("COMPLETED", 0)
    assert told["output"].startswith("entry point of noshell.sif:")
    slurm = f"slurm-{told['final']['slurm_job_id']}.out"
    assert names(told["final"]) == ["output", "run.sh", slurm]


def test_files_are_listed_as_the_old_gateway_did(told: Any) -> None:
    (listed,) = [file for file in told["with_upload"]["files"] if file["name"] == "file_upload_test.txt"]
    moment = listed.pop("last_modified")
    assert len(moment) == len("2022-12-11T18:39:07")
    assert listed == {
        "name": "file_upload_test.txt",
        "type": "-",
        "size": "7",
        "permissions": "rw-------",
        "user": "hpcgw",
        "group": "hpcgw",
        "link_target": "",
    }


def test_files_come_and_go(told: Any) -> None:
    assert told["upload"] == told["unnamed"] == {"message": "File uploaded."}
    assert told["delete"] == {"message": "File deleted."}
    assert "file_upload_test.txt" not in names(told["without_upload"])


def test_a_job_is_cancelled(told: Any) -> None:
    assert told["cancel"]["message"].startswith(f"Send cancelling signal to job-{told['jobid']}")
    assert told["slow"]["state"] == "CANCELLED"


def test_refusals_have_words_and_a_code(told: Any) -> None:
    assert told["refused"]["code"] == "INVALID_INPUT"
    assert "name" in told["refused"]["error"]
    assert told["nothing"] == ""
    assert (told["foreign"]["code"], told["foreign"]["error"]) == ("NOT_FOUND", "There is no such job.")


PROXY = "/api/applications/proxy/13f59545-cb1f-4113-b873-6bb079539788"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/applications/13f59545-cb1f-4113-b873-6bb079539788"),
        ("PUT", f"{PROXY}/createOrUpdateCollection"),
        ("POST", f"{PROXY}/newTransformation"),
        ("PATCH", f"{PROXY}/updateTransformation?jobid=x"),
        ("GET", f"{PROXY}/getTransformationState?jobid=x"),
        ("DELETE", f"{PROXY}/deleteTransformation?jobid=x"),
        ("GET", f"{PROXY}/getDataset?jobid=x&filename=y"),
        ("PUT", f"{PROXY}/createDataset?jobid=x&filename=y"),
        ("DELETE", f"{PROXY}/deleteDataset?jobid=x&filename=y"),
    ],
)
def test_all_but_the_heartbeat_needs_a_token(marketplace: GatewayProcess, method: str, path: str) -> None:
    answer = httpx.request(method, marketplace.url + path)
    assert (answer.status_code, answer.json()["code"]) == (401, "UNAUTHENTICATED")
    assert httpx.get(f"{marketplace.url}{PROXY}/heartbeat").status_code == 200


def test_it_is_off_unless_it_is_wanted(gateway: GatewayProcess) -> None:
    assert httpx.get(f"{gateway.url}{PROXY}/heartbeat").status_code == 404


def test_others_see_nothing_of_a_job(marketplace: GatewayProcess, told: Any) -> None:
    job = told["jobid"]
    with Client.of(marketplace, "eve@example.org") as eve:
        eve.create_user()
        seen = [
            eve.http.patch(f"{PROXY}/updateTransformation", params={"jobid": job}),
            eve.http.get(f"{PROXY}/getTransformationState", params={"jobid": job}),
            eve.http.delete(f"{PROXY}/deleteTransformation", params={"jobid": job}),
            eve.http.get(f"{PROXY}/getDataset", params={"jobid": job, "filename": "output"}),
            eve.http.put(f"{PROXY}/createDataset", params={"jobid": job, "filename": "x"}, files={"file": b"x"}),
            eve.http.delete(f"{PROXY}/deleteDataset", params={"jobid": job, "filename": "output"}),
        ]
    assert {(answer.status_code, answer.json()["error"]) for answer in seen} == {(404, "There is no such job.")}


def test_the_sealed_script_is_sealed_here_too(marketplace: GatewayProcess, told: Any) -> None:
    job = {"jobid": told["jobid"], "filename": "run.sh"}
    with Client.of(marketplace, EMAIL) as owner:
        overwritten = owner.http.put(f"{PROXY}/createDataset", params=job, files={"file": b"x"})
        deleted = owner.http.delete(f"{PROXY}/deleteDataset", params=job)
        left = owner.http.put(f"{PROXY}/createDataset", params=job | {"filename": "../x"}, files={"file": b"x"})
    assert [answer.json()["code"] for answer in (overwritten, deleted)] == ["FILE_PROTECTED"] * 2
    assert left.json()["code"] == "PATH_NOT_ALLOWED"


def test_it_is_off_unless_it_is_switched_on(gateway: GatewayProcess) -> None:
    assert httpx.get(f"{gateway.url}{PROXY}/heartbeat").status_code == 404
