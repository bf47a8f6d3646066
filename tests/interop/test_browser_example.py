"""The example page, opened from a file: its origin is not the server's."""

from pathlib import Path

import pytest

from tests.interop.browser import Browser
from tests.interop.server import serving

pytestmark = pytest.mark.realtime

PAGE = Path(__file__).resolve().parents[2] / "examples" / "whip.html"


async def test_the_example_page_plays_what_it_publishes(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path, "--allow-origin", "*") as server:
        page = await browser.page(f"{PAGE.as_uri()}?server={server.http}&room=example")
        await page.run(
            """async () => {
                const end = performance.now() + 15_000;
                while (player.videoWidth === 0 || state.textContent !== "playing example") {
                    if (performance.now() > end) throw new Error(state.textContent);
                    await new Promise((resolve) => setTimeout(resolve, 50));
                }
            }"""
        )
