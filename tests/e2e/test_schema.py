"""What the schema has beyond the contract, on the real site: labels, orders, usage, parts of output, dry runs."""

import time
from typing import Any

import pytest
from gql import Client as GqlClient
from gql import GraphQLRequest
from gql.transport.websockets import WebsocketsTransport

from demo.gateway import GatewayProcess
from tests.client import Client

LABELLED = [{"key": "project", "value": "schema"}]
NAMES = """query($filter: JobFilter, $orderBy: JobOrder, $first: Int, $after: String) {
  jobs(first: $first, after: $after, filter: $filter, orderBy: $orderBy) {
    nodes { name labels { key value } } pageInfo { endCursor hasNextPage } totalCount
  }
}"""
USAGE = "usage { elapsedSeconds cpuSeconds peakMemory nodes }"


def names(client: Client, **variables: object) -> list[str]:
    """Names of jobs, over pages of one."""
    found: list[str] = []
    after: str | None = None
    while True:
        page = client.ask(NAMES, first=1, after=after, **variables)["jobs"]
        found += [job["name"] for job in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            assert page["totalCount"] == len(found)
            return found
        after = page["pageInfo"]["endCursor"]


def test_labels_filters_and_orders(alice: Client) -> None:
    for name in ("b", "c", "a"):
        alice.create_job(name=name, labels=LABELLED)
    chosen: dict[str, Any] = {"labels": LABELLED}
    assert names(alice, filter=chosen) == ["a", "c", "b"]
    for field in ("NAME", "CREATED_AT", "ENDED_AT"):
        upwards = names(alice, filter=chosen, orderBy={"field": field, "direction": "ASC"})
        assert upwards == (["a", "b", "c"] if field == "NAME" else ["b", "c", "a"])
        assert names(alice, filter=chosen, orderBy={"field": field}) == upwards[::-1]
    assert names(alice, filter=chosen | {"search": "C", "states": ["CREATED"], "cluster": "local"}) == ["c"]
    assert names(alice, filter=chosen | {"states": []}) == []
    page = alice.ask(NAMES, first=1, filter=chosen, orderBy={"field": "NAME"})["jobs"]
    assert page["nodes"][0]["labels"] == LABELLED
    wrong = alice.post(NAMES, first=1, after=page["pageInfo"]["endCursor"]).json()["errors"][0]
    assert wrong["extensions"]["code"] == "BAD_REQUEST"


@pytest.mark.parametrize("labels", [[{"key": "a b", "value": ""}], [{"key": "a", "value": "\n"}], LABELLED * 2])
def test_labels_that_are_refused(alice: Client, labels: object) -> None:
    error = alice.refused(
        "createJob", "CreateJobInput", "job { id }", name="n", image="/opt/img/busybox.sif", labels=labels
    )
    assert error["code"] == "INVALID_INPUT"
    assert error["field"][:2] == ["input", "labels"]


def test_what_a_job_used(alice: Client) -> None:
    job = alice.run("head -c 40000000 /dev/zero | tr '\\0' a | sort > /dev/null; sleep 2", name="used")
    assert job["state"] == "COMPLETED"
    deadline = time.monotonic() + 40
    while (usage := alice.job(job["id"], USAGE)["usage"])["cpuSeconds"] is None:
        assert time.monotonic() < deadline, "accounting was not asked"
        time.sleep(0.2)
    assert usage["elapsedSeconds"] >= 2
    assert 0 < usage["cpuSeconds"] < 60
    assert usage["peakMemory"] > 10_000_000
    assert usage["nodes"].startswith("c")
    assert alice.job(alice.create_job()["id"], USAGE)["usage"] is None


def test_parts_of_output(alice: Client) -> None:
    job = alice.run("printf 'one\\ntwo\\nthree é\\n'", name="parts")
    output = "output(path: $path, offset: $offset, limit: $limit) { path offset nextOffset text end }"
    query = f"query($id: ID!, $path: String, $offset: ByteCount, $limit: Int) {{ job(id: $id) {{ {output} }} }}"

    def part(**arguments: object) -> Any:
        return alice.ask(query, id=job["id"], **arguments)["job"]["output"]

    whole = part()
    assert whole["text"] == "one\ntwo\nthree é\n"
    assert (whole["offset"], whole["nextOffset"], whole["end"]) == (0, 17, True)
    middle = part(offset=4, limit=4)
    assert (middle["text"], middle["offset"], middle["nextOffset"], middle["end"]) == ("two\n", 4, 8, False)
    assert part(limit=4)["text"].endswith("é\n")
    cut = part(offset=14, limit=1)
    assert (cut["text"], cut["nextOffset"]) == ("", 14)
    assert part(offset=1000)["text"] == ""
    assert part(path="work/none") is None
    assert alice.post(query, id=job["id"], limit=0).json()["errors"][0]["extensions"]["code"] == "BAD_REQUEST"
    unlaunched = alice.create_job()
    assert alice.ask(query, id=unlaunched["id"])["job"]["output"] is None


DRY_RUN = """mutation($id: ID!) { launch(input: {jobId: $id}, dryRun: true) {
  job { state } forecast { expectedStartAt partition nodes words } userErrors { code detail field }
} }"""


def test_a_dry_run_launches_nothing(alice: Client) -> None:
    job = alice.create_job(resources={"memoryPerNode": 100 * 2**20})
    answer = alice.ask(DRY_RUN, id=job["id"])["launch"]
    assert answer["userErrors"] == []
    assert answer["job"] == {"state": "CREATED"}
    assert answer["forecast"]["partition"]
    assert answer["forecast"]["expectedStartAt"]
    assert alice.job(job["id"])["slurmJobId"] is None
    large = alice.create_job(resources={"memoryPerNode": 2**50})
    answer = alice.ask(DRY_RUN, id=large["id"])["launch"]
    (error,) = answer["userErrors"]
    assert (error["code"], error["field"], answer["job"]) == ("SUBMIT_REFUSED", ["input", "jobId"], None)
    assert error["detail"]
    assert alice.job(large["id"])["state"] == "CREATED"
    alice.cancel(job["id"])
    assert alice.ask(DRY_RUN, id=job["id"])["launch"]["userErrors"][0]["code"] == "INVALID_STATE"


@pytest.mark.anyio
async def test_a_cluster_is_followed(gateway: GatewayProcess, alice: Client) -> None:
    transport = WebsocketsTransport(
        f"{gateway.url.replace('http', 'ws', 1)}/graphql",
        init_payload={"Authorization": f"Bearer {alice.token}"},
        subprotocols=[WebsocketsTransport.GRAPHQLWS_SUBPROTOCOL],
    )
    request = GraphQLRequest('subscription { clusterUpdated(name: "local") { id available partitions { name } } }')
    async with GqlClient(transport=transport) as session:
        async for result in session.subscribe(request):
            assert result["clusterUpdated"]["available"]
            break
