"""Headers and pages: what a browser is told, and what a hostile file or name does in a real one."""

import asyncio

import httpx
from playwright.async_api import Error, async_playwright

from tests.attack.tally import Tally
from tests.attack.world import World
from tests.web.browser import FLAGS

EVIL = b"<!doctype html><title>safe</title><script>document.title='hacked';fetch('/healthz?stolen')</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="document.title=\'hacked\'"><script>fetch("/x")</script></svg>'
FILES = {
    "evil.html": EVIL, "evil.svg": SVG, "evil.xhtml": EVIL, "evil.xml": SVG, "evil": EVIL, "evil.txt": EVIL,
    "evil.js": b"document.title='hacked'", "evil.pdf": EVIL, "evil.css": b"body{}",
    "<img src=x onerror=document.title=1>": EVIL, 'x"; filename="y.exe': EVIL, "x\u202eexe.html": EVIL,
}  # fmt: skip
PATHS = (
    "/",
    "/graphql",
    "/static/dashboard.js",
    "/healthz",
    "/readyz",
    "/metrics",
    "/files/x",
    "/nothing",
    "/uploads/x",
)


def attack(world: World, tally: Tally) -> None:
    """Look at every answer's headers, then open hostile files in Chromium."""
    for path in PATHS:
        for accept in ("text/html", "application/json"):
            headers_of(tally, httpx.get(world.gateway.url + path, headers={"Accept": accept}))
    job = world.attacker.create_job("true", name="a b@c")
    for name, content in FILES.items():
        payload = world.attacker.upload(job["id"], "x", content, name)
        assert not payload["userErrors"], payload
    urls = [entry["downloadUrl"] for entry in world.attacker.files(job["id"]).values() if entry["downloadUrl"]]
    for url in urls:
        answer = httpx.get(url)
        headers_of(tally, answer)
        disposition = answer.headers["content-disposition"]
        tally.hold("attachment", disposition.startswith("attachment; ") and disposition.count('"') == 2, disposition)
        tally.hold("sandbox", "sandbox" in answer.headers["content-security-policy"], answer.headers)
    for method, headers in (("OPTIONS", {"Access-Control-Request-Method": "POST"}), ("POST", {}), ("GET", {})):
        headers |= {"Origin": "https://evil.example"}
        answer = httpx.request(method, f"{world.gateway.url}/graphql", headers=headers)
        tally.hold("other origins", "access-control-allow-origin" not in answer.headers, answer.headers)
    asyncio.run(browse(world, tally, urls))


def headers_of(tally: Tally, answer: httpx.Response) -> None:
    """What every answer must say."""
    told = answer.headers
    policy = told.get("content-security-policy", "")
    held = (
        "default-src 'none'" in policy
        and "frame-ancestors 'none'" in policy
        and "unsafe-eval" not in policy
        and not ("script-src" in policy and "unsafe-inline" in policy.split("script-src")[1].split(";")[0])
        and told.get("x-content-type-options") == "nosniff"
        and "server" not in told
        and "set-cookie" not in told
    )
    tally.hold("headers", held, (str(answer.url), dict(told)))


async def browse(world: World, tally: Tally, urls: list[str]) -> None:
    """Open each file, in the page itself, in frames of a page of another origin, and as script and picture."""
    asked: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = await browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        for url in urls:
            try:
                await page.goto(url, timeout=10_000)
                opened = await page.title()
            except Error as error:  # a download begins, no page
                opened = str(error).splitlines()[0]
            tally.hold("opened", "Download is starting" in opened, (url, opened))
            outer = f'<title>outer</title><iframe src="{url}"></iframe><object data="{url}"></object><img src="{url}">'
            script = f'<script src="{url}"></script><embed src="{url}">'
            await page.set_content(outer + script, wait_until="load", timeout=10_000)
            frames = [await frame.title() for frame in page.frames[1:] if frame.url.startswith("http")]
            tally.hold("framed", not frames and await page.title() == "outer", (url, frames, await page.title()))
        await browser.close()
    stolen = [url for url in asked if "stolen" in url or url.endswith("/x")]
    tally.hold("requests of hostile files", not stolen, stolen)
