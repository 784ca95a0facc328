"""Debian's Chromium, headless, which notes every request that leaves the gateway's origin and every complaint."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from playwright.async_api import Page, async_playwright

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@asynccontextmanager
async def opened(origin: str) -> AsyncIterator[Page]:
    """A page whose test fails where it asked another origin for anything, or a script or policy complained."""
    faults: list[str] = []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        page = await browser.new_page(base_url=origin)
        page.set_default_timeout(20_000)
        page.on("request", lambda request: _note_outside(request.url, origin, faults))
        page.on("websocket", lambda socket: _note_outside(socket.url.replace("ws", "http", 1), origin, faults))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if "Content Security" in message.text else None)
        try:
            yield page
        finally:
            await browser.close()
    assert faults == []


def _note_outside(url: str, origin: str, faults: list[str]) -> None:
    if not url.startswith((f"{origin}/", "data:", "blob:")):
        faults.append(f"asked {url}")
