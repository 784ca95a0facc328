"""The pages: what they send, and both of them in a browser on the real site."""

import re
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Page, expect

from demo.gateway import GatewayProcess
from gql_gateway.web.pages import STATIC
from tests.client import Client
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


async def test_graphiql_asks_and_watches(gateway: GatewayProcess, alice: Client) -> None:
    async with opened(gateway.url) as page:
        await page.goto("/graphql")
        await page.fill("#token", alice.token or "")
        await page.press("#token", "Enter")
        await expect(page.locator("#who")).to_have_text("You are alice@example.org.")
        await run(page, "Heartbeat")
        await expect(page.locator(".result-window")).to_contain_text('"ok": true')
        await page.get_by_role("tab", name="Watch").click()
        await run(page, "Watch")
        job = alice.create_job("true", name="watched in GraphiQL")
        await expect(page.locator(".result-window")).to_contain_text("watched in GraphiQL")
    alice.cancel(job["id"])


async def run(page: Page, operation: str) -> None:
    """Choose one of a tab's operations and run it."""
    await page.get_by_role("button", name="Execute query").click()
    await page.get_by_role("menuitem", name=operation).click()
