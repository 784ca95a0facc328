"""The pages: what they send, and both of them in a browser on the real site."""

import json
import re
import tarfile
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Page, expect

from demo.gateway import GatewayProcess
from gql_gateway.web.pages import STATIC
from tests.client import Client, mint
from tests.web.browser import opened

pytestmark = pytest.mark.anyio
OWN = [file for file in STATIC.iterdir() if file.suffix in {".html", ".js", ".css"}]


@pytest.mark.parametrize("file", OWN, ids=lambda file: file.name)
def test_nothing_comes_from_another_host(file: Path) -> None:
    assert re.findall(r"//[a-z0-9-]+\.[a-z]", file.read_text()) == []


def test_pages_are_shut_in(gateway: GatewayProcess) -> None:
    for path in ("/", "/graphql"):
        answer = httpx.get(gateway.url + path, headers={"Accept": "text/html"})
        policy = answer.headers["content-security-policy"]
        assert answer.headers["content-type"].startswith("text/html")
        assert "default-src 'none'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'" in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"


def test_static_files_are_small_and_asked_for_again(gateway: GatewayProcess) -> None:
    url = f"{gateway.url}/static/graphiql/graphiql.min.js"
    with httpx.stream("GET", url) as answer:
        packed = sum(map(len, answer.iter_raw()))
        assert answer.headers["content-encoding"] == "gzip"
    assert packed < 0.4 * (STATIC / "graphiql" / "graphiql.min.js").stat().st_size
    assert httpx.get(url, headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/static/"])
def test_only_static_files_are_served(gateway: GatewayProcess, path: str) -> None:
    assert httpx.get(gateway.url + path).status_code == 404


async def sign_in(page: Page, token: str) -> None:
    await page.goto("/")
    await page.fill("#token", token)
    await page.click("#door button")


async def test_the_dashboard_shows_what_happens(gateway: GatewayProcess, alice: Client) -> None:
    job = alice.create_job("echo hello from $(pwd); echo kept > result.txt", name="dashboard")
    async with opened(gateway.url) as page:
        await sign_in(page, alice.token or "")
        row = page.locator("#jobs li", has_text="dashboard").first
        await row.click()
        await page.get_by_role("button", name="Launch").click()
        await expect(page.locator("#state")).to_have_text("completed", timeout=30_000)
        await expect(row.locator(".state")).to_have_text("completed")
        await expect(page.locator("#output")).to_have_text("hello from /job\n")
        async with page.expect_download() as download:
            await page.get_by_role("link", name="result.txt").click()
        assert Path(await (await download.value).path()).read_text() == "kept\n"  # noqa: ASYNC240 - five bytes
        assert (await download.value).suggested_filename == "result.txt"
        await expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
        later = alice.create_job("sleep 60", name="appears by itself")
        await page.locator("#jobs li", has_text="appears by itself").click()
        await page.get_by_role("button", name="Cancel").click()
        await expect(page.locator("#state")).to_have_text("cancelled")
    assert alice.job(job["id"])["state"] == "COMPLETED"
    assert alice.job(later["id"])["state"] == "CANCELLED"


async def test_the_dashboard_says_which_job_it_is_and_gives_its_folders(gateway: GatewayProcess, alice: Client) -> None:
    job = alice.run("mkdir out; echo kept > out/a.txt", name="with a folder")
    async with opened(gateway.url) as page:
        await sign_in(page, alice.token or "")
        await expect(page.locator("#choose")).to_be_visible()
        await page.locator("#jobs li", has_text="with a folder").first.click()
        await expect(page.locator("#choose")).to_be_hidden()
        await expect(page.locator("#facts")).to_contain_text(job["id"])
        await expect(page.locator("#counts .COMPLETED")).to_be_visible()
        async with page.expect_download() as download:
            await page.get_by_role("link", name="out/").click()
        with tarfile.open(await (await download.value).path()) as archive:
            assert "out/a.txt" in archive.getnames()


async def test_on_a_phone_the_chosen_job_comes_into_view(gateway: GatewayProcess, alice: Client) -> None:
    for number in range(12):
        alice.create_job("true", name=f"phone {number}")
    async with opened(gateway.url) as page:
        await page.set_viewport_size({"width": 390, "height": 600})
        await sign_in(page, alice.token or "")
        await page.locator("#jobs li", has_text="phone 11").first.click()
        await expect(page.locator("#name")).to_be_in_viewport()
        width = await page.evaluate("document.documentElement.scrollWidth")
    assert width == 390, "nothing is wider than the screen"


async def test_the_dashboard_shows_text_as_text(gateway: GatewayProcess, alice: Client) -> None:
    job = alice.run("echo '<img src=x onerror=alert(1)>'; touch '<b>file'", name="markup")
    async with opened(gateway.url) as page:
        await sign_in(page, alice.token or "")
        await page.locator("#jobs li", has_text="markup").first.click()
        await expect(page.locator("#output")).to_have_text("<img src=x onerror=alert(1)>\n")
        await expect(page.get_by_role("link", name="<b>file")).to_have_count(1)
    assert job["state"] == "COMPLETED"


async def test_a_wrong_token_is_told(gateway: GatewayProcess) -> None:
    async with opened(gateway.url) as page:
        await sign_in(page, "gqlgw_wrong")
        await expect(page.locator("#refusal")).not_to_be_empty()
        await expect(page.locator("#door")).to_be_visible()


async def test_graphiql_tells_the_whole_day(gateway: GatewayProcess) -> None:
    async with opened(gateway.url) as page:
        await page.goto("/graphql")
        await expect(page.get_by_role("tab")).to_have_count(8)
        await run(page, "Heartbeat", '"ok": true')
        await page.fill("#token", mint(gateway, "grace@example.org"))
        await page.press("#token", "Enter")
        await expect(page.locator("#who")).to_have_text("The token is good; now run createUser.")
        await tab(page, 2)
        await run(page, "BecomeUser", '"email": "grace@example.org"')
        await set_variables(
            page, {"input": {"name": "from GraphiQL", "image": "/opt/img/busybox.sif", "command": WORK}}
        )
        await run(page, "CreateJob", '"state": "CREATED"')
        await tab(page, 3)
        await run(page, None, "run.sh")
        await tab(page, 4)
        await run(page, "TryLaunch", "expectedStartAt")
        await run(page, "Launch", '"slurmJobId": "')
        await tab(page, 6)
        await run(page, "Output", '"end": true')
        await run(page, "EndOfOutput", "hello from a page")
        await tab(page, 7)
        await run(page, "Results", '"state": "COMPLETED"')
        await expect(page.locator(RESULT)).to_contain_text("result.txt")
        await run(page, "DeleteFile", '"deletedPath": "result.txt"')
        await run(page, "RunAgain", '"state": "CREATED"')
        await tab(page, 8)
        await run(page, None, '"totalCount": 0')
        await tab(page, 7)
        await expect(page.get_by_role("button", name="Execute query")).to_have_attribute("aria-haspopup", "menu")
        await tab(page, 5)
        await run(page, None, '"name": "from GraphiQL"')
        await page.get_by_role("button", name="Stop query").click()


RESULT = ".result-window"
IMAGE = "/opt/img/busybox.sif"
WORK = "echo hello from a page; date > result.txt"


async def tab(page: Page, number: int) -> None:
    """Turn to a tab; its title is the operation that ran in it last."""
    await page.get_by_role("tab").nth(number - 1).click()


async def set_variables(page: Page, variables: object) -> None:
    """Type variables, as one paste."""
    editor = page.locator(".graphiql-editor-tool .CodeMirror").first
    await editor.evaluate("(element, text) => element.CodeMirror.setValue(text)", json.dumps(variables))


async def run(page: Page, operation: str | None, expected: str) -> None:
    """Choose one of a tab's operations, run it, and wait for what it is to show."""
    button = page.get_by_role("button", name="Execute query")
    asks = expect(button)  # the button has a menu once the editor has read that a tab has several operations
    await (asks.to_have_attribute if operation else asks.not_to_have_attribute)("aria-haspopup", "menu")
    await button.click()
    if operation:
        await page.get_by_role("menuitem", name=operation, exact=True).click()
    await expect(page.locator(RESULT)).to_contain_text(expected)
