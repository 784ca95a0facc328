"""The front end in examples/: another origin, in a browser, on the real site."""

import functools
import http.server
import io
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.async_api import async_playwright, expect

from demo.gateway import GatewayProcess
from slurm_site import SlurmSite
from tests.client import mint
from tests.web.browser import FLAGS

pytestmark = pytest.mark.anyio
FOLDER = Path(__file__).parents[2] / "examples" / "front-end"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def origin() -> Iterator[str]:
    """The front end, served as its first lines say."""
    handler = functools.partial(Quiet, directory=str(FOLDER))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}"
        server.shutdown()


async def test_a_job_from_the_browser(site: SlurmSite, tmp_path: Path, origin: str) -> None:
    (tmp_path / "words.txt").write_text("three words here\n")
    allowed = f'allowed_origins = ["{origin}"]'
    with GatewayProcess(site, tmp_path, server=allowed, cluster="poll_seconds = 1") as gateway:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
            page = await browser.new_page()
            page.set_default_timeout(30_000)
            await page.goto(origin)
            await page.fill("[name=gateway]", gateway.url)
            await page.fill("[name=token]", mint(gateway, "web@example.org"))
            await page.fill("[name=image]", site.image)
            await page.set_input_files("[name=file]", tmp_path / "words.txt")
            await page.click("button")
            await expect(page.locator("#results")).to_be_visible(timeout=30_000)
            await expect(page.locator("#output")).to_contain_text("done")
            states = (await page.inner_text("#state")).split()
            output = await page.inner_text("#output")
            archive = await page.get_attribute("#results", "href")
            await browser.close()
        async with httpx.AsyncClient() as client:
            packed = (await client.get(archive or "")).content
    assert states[-1] == "COMPLETED"
    assert output.split()[:4] == ["1", "3", "17", "input.txt"]
    with tarfile.open(fileobj=io.BytesIO(packed)) as results:
        found = results.extractfile("front_end/input.txt")
        assert found
        assert found.read() == b"three words here\n"
