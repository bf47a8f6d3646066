"""A browser as it comes: no loopback in its candidates, its addresses hidden by mDNS names.

The server ignores those names and learns the address from the browser's checks.
"""

from pathlib import Path

import pytest

from tests.interop.browser import chromium
from tests.interop.namespace import namespace
from tests.interop.server import serving

PAGE_SCRIPT = Path(__file__).parent / "page.js"


@pytest.mark.network_namespace
async def test_candidates_behind_mdns_names(chromium_program: str, tmp_path: Path) -> None:
    with namespace() as own, serving(tmp_path, prefix=own.prefix) as server:
        # the page comes from loopback, a secure context; the media takes the interface
        async with chromium(chromium_program, prefix=own.prefix) as browser:
            page = await browser.page(server.url("/livez"))
            await page.include(PAGE_SCRIPT)
            offered, shown = await page.run(
                """async (whip, whep) => {
                    const publisher = await interop.publish(whip, interop.drawn(640, 360));
                    const viewer = await interop.play(whep);
                    await interop.until(async () =>
                        (await interop.stats(viewer)).video?.framesDecoded > 30, "pictures");
                    return [publisher.localDescription.sdp, await interop.stats(viewer)];
                }""",
                server.url("/whip/hidden"),
                server.url("/whep/hidden"),
            )
    candidates = [line for line in offered.splitlines() if line.startswith("a=candidate:")]
    assert candidates
    assert all(".local " in line for line in candidates)
    assert shown["remote"]["address"] == own.address
    assert shown["transport"]["srtpCipher"] == "SRTP_AEAD_AES_128_GCM"
