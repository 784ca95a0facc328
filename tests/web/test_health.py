"""Health and metrics: true of a gateway that works, and of one whose cluster or database does not."""

from pathlib import Path

import httpx

from demo.gateway import GatewayProcess
from slurm_site import SiteOptions, SlurmSite
from tests.client import Client
from tests.web.serving import eventually


def measure(gateway: GatewayProcess, name: str) -> dict[str, float]:
    """Values of a metric by their labels."""
    lines = httpx.get(f"{gateway.url}/metrics").text.splitlines()
    found = (line.rpartition(" ") for line in lines if line.startswith((f"{name}{{", f"{name} ")))
    return {labels.removeprefix(name): float(value) for labels, _, value in found}


def test_a_working_gateway(gateway: GatewayProcess) -> None:
    alive, ready = httpx.get(f"{gateway.url}/healthz"), httpx.get(f"{gateway.url}/readyz")
    assert (alive.status_code, alive.json()["status"]) == (200, "ok")
    assert (ready.status_code, ready.json()) == (
        200,
        {"ready": True, "database": {"ok": True}, "clusters": {"local": {"ok": True}}},
    )


def test_a_cluster_that_is_away_is_told_and_comes_back(tmp_path: Path) -> None:
    with SlurmSite(SiteOptions()) as site:
        site.stop("sshd", sessions=True)
        gateway = GatewayProcess(site, tmp_path, cluster="connect_timeout = 1")
        gateway.start(wait=False)
        try:
            eventually(lambda: answers(gateway), seconds=60)
            ready = httpx.get(f"{gateway.url}/readyz")
            assert ready.status_code == 503
            assert not ready.json()["clusters"]["local"]["ok"]
            assert httpx.get(f"{gateway.url}/healthz").status_code == 200
            eventually(lambda: "cannot be reached" in httpx.get(f"{gateway.url}/readyz").text)
            site.start("sshd")
            eventually(lambda: httpx.get(f"{gateway.url}/readyz").status_code == 200, seconds=60)
        finally:
            gateway.stop()


def answers(gateway: GatewayProcess) -> bool:
    try:
        return httpx.get(f"{gateway.url}/healthz").status_code == 200
    except httpx.TransportError:
        return False


def test_metrics_count(gateway: GatewayProcess, alice: Client) -> None:
    before = measure(gateway, "gql_gateway_cluster_command_seconds_count")
    requests = measure(gateway, "gql_gateway_http_requests_total")
    job = alice.run("true")
    after = measure(gateway, "gql_gateway_cluster_command_seconds_count")
    sbatch = '{cluster="local",command="sbatch",outcome="ok"}'
    assert after[sbatch] == before.get(sbatch, 0) + 1
    posted = '{method="POST",route="/graphql",status="200"}'
    assert measure(gateway, "gql_gateway_http_requests_total")[posted] > requests.get(posted, 0)
    assert measure(gateway, "gql_gateway_jobs")['{state="COMPLETED"}'] >= 1
    assert measure(gateway, "gql_gateway_cluster_available") == {'{cluster="local"}': 1}
    assert job["state"] == "COMPLETED"


def test_labels_are_few_whatever_is_asked(gateway: GatewayProcess) -> None:
    for number in range(5):
        httpx.get(f"{gateway.url}/{number}/nothing")
        httpx.get(f"{gateway.url}/files/{number}")
    httpx.request("PROPFIND", f"{gateway.url}/healthz")
    httpx.request("LINK", f"{gateway.url}/healthz")
    names = set(measure(gateway, "gql_gateway_http_requests_total"))
    assert '{method="GET",route="other",status="404"}' in names
    assert '{method="GET",route="/files/{signed}",status="403"}' in names
    assert '{method="other",route="/healthz",status="405"}' in names
    assert not any(odd in name for name in names for odd in ("/0", "/4", "PROPFIND", "LINK"))
