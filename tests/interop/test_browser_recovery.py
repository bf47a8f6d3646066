"""The demo page after a crash of the server or of another participant."""

import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.interop.browser import ON_LOOPBACK, Browser, Page, chromium
from tests.interop.server import Server, serving

pytestmark = pytest.mark.realtime

REJOIN_S = 5.0
LEFT_S = 5.0


async def join(page: Page, name: str) -> None:
    await page.run("(name) => sfukit.join({ room: 'crash', name, source: 'canvas' })", name)


async def until(page: Page, condition: str, what: str, within_s: float) -> Any:
    return await page.run(
        f"""async (what, seconds) => {{
            const end = performance.now() + seconds * 1000;
            for (;;) {{
                await sfukit.measure();
                const value = ({condition});
                if (value) return value;
                if (performance.now() > end) throw new Error("timeout waiting for " + what);
                await new Promise((resolve) => setTimeout(resolve, 50));
            }}
        }}""",
        what,
        within_s,
    )


PLAYS = "sfukit.streams.some((row) => row.kind === 'video' && row.framesDecoded > 0)"


async def test_the_page_rejoins_a_restarted_server(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path) as first:
        ann, bob = [await browser.page(first.url("/")) for _ in range(2)]
        for page, name in ((ann, "ann"), (bob, "bob")):
            await join(page, name)
        for page in (ann, bob):
            await until(page, PLAYS, "video", 20)
        first.kill()
    http_port = urlsplit(first.http).port
    assert http_port is not None
    with serving(tmp_path, http_port=http_port, udp_port=first.udp_port):
        ready_s = time.monotonic()
        for page in (ann, bob):
            gap = await until(page, "sfukit.gaps[0]", "the rejoin", REJOIN_S)
            assert gap["seconds"] > 0
            await until(page, PLAYS, "video after the rejoin", REJOIN_S)
        assert time.monotonic() - ready_s < REJOIN_S


async def test_a_killed_participant_is_removed(
    browser: Browser, server: Server, chromium_program: str
) -> None:
    ann = await browser.page(server.url("/"))
    await join(ann, "ann")
    async with chromium(chromium_program, ON_LOOPBACK) as other:
        bob = await other.page(server.url("/"))
        await join(bob, "bob")
        await until(ann, PLAYS, "video", 20)
        other.kill()
        await until(ann, "sfukit.streams.length === 0", "bob's removal", LEFT_S)
    assert await ann.run("() => sfukit.joined")
