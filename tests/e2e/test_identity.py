"""Who did what, who may see it, and who comes in: tokens, the audit log and platforms, on a gateway that runs."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from demo.gateway import GatewayProcess
from slurm_site import SlurmSite
from tests.client import Client
from tests.web.identity.provider import AUDIENCE, PROVIDERS_OWN, OpenIdProvider, running

ENTRY = "at actor role credential requestId action jobId ownerId detail"
UPLOADS_WITH = "authorization, apollo-require-preflight, content-type"
TOKEN = "token { id name role createdAt expiresAt lastUsedAt } secret"


@pytest.fixture(scope="module")
def admin(gateway: GatewayProcess) -> Iterator[Client]:
    with Client.of(gateway, "root@example.org", role="admin") as client:
        yield client


def audited(admin: Client, **variables: object) -> list[Any]:
    query = f"query($job: ID, $actor: String) {{ auditEntries(jobId: $job, actor: $actor) {{ nodes {{ {ENTRY} }} }} }}"
    entries: list[Any] = admin.ask(query, **variables)["auditEntries"]["nodes"]
    return entries


def acts(admin: Client, job_id: str) -> list[tuple[str, str, str | None]]:
    """Who did what, in order."""
    return [(entry["actor"], entry["action"], entry["detail"]) for entry in audited(admin, job=job_id)][::-1]


def errors(answer: httpx.Response) -> list[str]:
    return [error["extensions"]["code"] for error in answer.json()["errors"]]


def test_every_act_on_a_job_is_kept_and_outlives_it(alice: Client, admin: Client) -> None:
    job = alice.create_job("sleep 60")
    assert not alice.upload(job["id"], "in.txt", b"1")["userErrors"]
    alice.done("deleteFile", "DeleteFileInput", "deletedPath", jobId=job["id"], path="in.txt")
    alice.launch(job["id"])
    alice.launch(job["id"])
    alice.cancel(job["id"])
    alice.wait_final(job["id"])
    alice.cancel(job["id"])
    clone = alice.done("cloneJob", "JobInput", "job { id }", jobId=job["id"])
    alice.done("deleteJob", "JobInput", "deletedJobId", jobId=job["id"])
    who = "alice@example.org"
    assert acts(admin, job["id"]) == [
        (who, "CREATE_JOB", None),
        (who, "UPLOAD", "in.txt"),
        (who, "DELETE_FILE", "in.txt"),
        (who, "LAUNCH", None),
        (who, "CANCEL", None),
        (who, "DELETE_JOB", None),
    ]
    assert acts(admin, clone["id"]) == [(who, "CLONE_JOB", job["id"].removeprefix("job_"))]
    entry = audited(admin, job=job["id"])[0]
    me = alice.ask("{ me { id } }")["me"]["id"]
    assert (entry["role"], entry["jobId"], entry["ownerId"]) == ("USER", job["id"], me)
    assert entry["credential"].startswith("token ")
    assert entry["requestId"]


def test_what_an_administrator_does_with_anothers_job_is_kept(alice: Client, admin: Client) -> None:
    job = alice.create_job("echo secret; sleep 60")
    admin_email = "root@example.org"
    assert admin.job(job["id"])["id"] == job["id"]
    alice.launch(job["id"])
    running_job = alice.wait(job["id"], lambda one: one["state"] == "RUNNING")
    for reader in (alice, admin):
        assert reader.output(running_job) is not None
    admin.cancel(job["id"])
    assert alice.wait_final(job["id"])["state"] == "CANCELLED"
    done = [entry for entry in acts(admin, job["id"]) if entry[0] == admin_email]
    name = f"slurm-{alice.job(job['id'])['slurmJobId']}.out"
    assert done == [(admin_email, "DOWNLOAD", name), (admin_email, "CANCEL", None)]
    assert [entry["role"] for entry in audited(admin, job=job["id"]) if entry["actor"] == admin_email] == ["ADMIN"] * 2


def test_only_administrators_read_the_log(alice: Client) -> None:
    answer = alice.post("{ auditEntries { nodes { at } } }")
    assert errors(answer) == ["FORBIDDEN"]
    assert answer.json()["data"] is None


def test_pages_of_the_log(alice: Client, admin: Client) -> None:
    job = alice.create_job()
    for number in range(3):
        alice.upload(job["id"], f"{number}.txt", b"")
    query = (
        "query($job: ID, $after: String) { auditEntries(first: 2, jobId: $job, after: $after) "
        "{ edges { cursor node { cursor detail } } pageInfo { hasNextPage hasPreviousPage endCursor } } }"
    )
    first = admin.ask(query, job=job["id"])["auditEntries"]
    assert [edge["node"]["detail"] for edge in first["edges"]] == ["2.txt", "1.txt"]
    assert (first["pageInfo"]["hasNextPage"], first["pageInfo"]["hasPreviousPage"]) == (True, False)
    second = admin.ask(query, job=job["id"], after=first["pageInfo"]["endCursor"])["auditEntries"]
    assert [edge["node"]["detail"] for edge in second["edges"]] == ["0.txt", None]
    assert (second["pageInfo"]["hasNextPage"], second["pageInfo"]["hasPreviousPage"]) == (False, True)
    assert audited(admin, job="job_0") == []
    assert audited(admin, actor="nobody@example.org") == []
    for wrong in ('after: "x"', "first: 201", 'actor: "\\u0000"'):
        assert admin.post(f"{{ auditEntries({wrong}) {{ nodes {{ at }} }} }}").json()["errors"]


def test_users_make_and_revoke_their_own_tokens(alice: Client, bob: Client, admin: Client) -> None:
    made = alice.mutate("createToken", "CreateTokenInput", TOKEN, name="laptop")
    token = made["token"]
    assert made["userErrors"] == []
    assert (token["name"], token["role"], token["lastUsedAt"]) == ("laptop", "USER", None)
    assert datetime.fromisoformat(token["expiresAt"]) - datetime.now(UTC) > timedelta(days=364)
    with Client(alice.url, made["secret"]) as laptop:
        assert laptop.ask("{ me { email tokens { id } } }")["me"]["email"] == "alice@example.org"
        assert token["id"] in [one["id"] for one in laptop.ask("{ me { tokens { id } } }")["me"]["tokens"]]
        assert laptop.ask("query($id: ID!) { node(id: $id) { id } }", id=token["id"])["node"] == {"id": token["id"]}
        for other in (bob, admin):
            refused = other.refused("revokeToken", "RevokeTokenInput", "revokedTokenId", id=token["id"])
            assert (refused["code"], refused["message"]) == ("NOT_FOUND", "There is no such token.")
            assert other.ask("query($id: ID!) { node(id: $id) { id } }", id=token["id"])["node"] is None
        unknown = bob.refused("revokeToken", "RevokeTokenInput", "revokedTokenId", id=f"token_{'0' * 32}")
        assert unknown == bob.refused("revokeToken", "RevokeTokenInput", "revokedTokenId", id=token["id"])
        for _ in range(2):
            done = alice.done("revokeToken", "RevokeTokenInput", "revokedTokenId", id=token["id"])
            assert done == token["id"]
        assert laptop.post("{ me { id } }").status_code == 401
    assert token["id"] not in [one["id"] for one in alice.ask("{ me { tokens { id } } }")["me"]["tokens"]]
    key = token["id"].removeprefix("token_")
    kept = [entry["action"] for entry in audited(admin, actor="alice@example.org") if entry["detail"] == key]
    assert kept == ["REVOKE_TOKEN", "CREATE_TOKEN"]


@pytest.mark.parametrize(
    ("wrong", "code", "field"),
    [
        ({"name": ""}, "INVALID_INPUT", ["input", "name"]),
        ({"name": "a\nb"}, "INVALID_INPUT", ["input", "name"]),
        ({"name": "x" * 101}, "INVALID_INPUT", ["input", "name"]),
        ({"role": "ADMIN"}, "INVALID_INPUT", ["input", "role"]),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, "INVALID_INPUT", ["input", "expiresAt"]),
        ({"expiresAt": "9999-01-01T00:00:00Z"}, "LIMIT_EXCEEDED", ["input", "expiresAt"]),
    ],
)
def test_tokens_that_are_not_made(alice: Client, wrong: dict[str, str], code: str, field: list[str]) -> None:
    error = alice.mutate("createToken", "CreateTokenInput", TOKEN, **{"name": "n"} | wrong)
    assert (error["token"], error["secret"]) == (None, None)
    assert [(one["code"], one["field"]) for one in error["userErrors"]] == [(code, field)]


def test_a_token_never_outlives_the_one_that_made_it(alice: Client) -> None:
    soon = datetime.now(UTC) + timedelta(hours=1)
    short = alice.mutate("createToken", "CreateTokenInput", TOKEN, name="short", expiresAt=soon.isoformat())
    with Client(alice.url, short["secret"]) as client:
        child = client.mutate("createToken", "CreateTokenInput", TOKEN, name="child")
        assert child["token"]["expiresAt"] <= short["token"]["expiresAt"]
        later = (soon + timedelta(hours=1)).isoformat()
        (error,) = client.mutate("createToken", "CreateTokenInput", TOKEN, name="x", expiresAt=later)["userErrors"]
    assert error["code"] == "LIMIT_EXCEEDED"


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    with running() as one:
        yield one


@pytest.mark.filterwarnings(PROVIDERS_OWN)
def test_people_of_a_platform_come_in_by_its_pages(site: SlurmSite, tmp_path: Path, provider: OpenIdProvider) -> None:
    page = "https://app.example.org"
    settings = f"""[auth]
oidc_issuer = "{provider.issuer}"
oidc_audience = "{AUDIENCE}"
userinfo_url = "{provider.userinfo_url}"
roles_claim = "realm_access.roles"
admin_roles = ["hpc-admin"]
"""
    signed = provider.sign_in()
    process = GatewayProcess(site, tmp_path, more=settings)
    written = process.config.read_text()
    process.config.write_text(written.replace("[server]", f'[server]\nallowed_origins = ["{page}"]'))
    with process as gateway:
        asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": UPLOADS_WITH}
        for origin, status in ((page, 200), ("https://evil.example.org", 400)):
            answer = httpx.options(f"{gateway.url}/graphql", headers=asked | {"Origin": origin})
            assert answer.status_code == status
            assert (answer.headers.get("access-control-allow-origin") == origin) is (status == 200)
            assert "access-control-allow-credentials" not in answer.headers
        for token in (signed["id_token"], signed["access_token"]):
            with Client(gateway.url, token) as ada:
                user = ada.create_user()
                assert (user["email"], user["folder"]) == ("Ada.L@example.org", f"{site.root}/Ada_L")
        with Client(gateway.url, signed["id_token"]) as ada:
            assert ada.run("true")["state"] == "COMPLETED"
            assert {entry["credential"] for entry in audited(ada)} == {"oidc ada"}
        for bad in (provider.sign(aud="another"), provider.sign(exp=1), "made-up"):
            with Client(gateway.url, bad) as stranger:
                answer = stranger.post("{ me { id } }")
            assert (answer.status_code, errors(answer)) == (401, ["UNAUTHENTICATED"])
        assert signed["id_token"] not in gateway.log.read_text()
