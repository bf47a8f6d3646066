"""Chromium by default: no loopback candidates, host candidates hidden by mDNS names.

The server ignores those names; connectivity checks yield peer-reflexive candidates.
"""

from pathlib import Path

import pytest

from tests.interop.browser import chromium
from tests.interop.namespace import namespace
from tests.interop.server import serving

pytestmark = pytest.mark.realtime

PAGE_SCRIPT = Path(__file__).parent / "page.js"


@pytest.mark.network_namespace
async def test_candidates_behind_mdns_names(chromium_program: str, tmp_path: Path) -> None:
    with namespace() as own, serving(tmp_path, prefix=own.prefix) as server:
        # loopback is a secure context; media uses the interface
        async with chromium(chromium_program, prefix=own.prefix) as browser:
            page = await browser.page(server.url("/livez"))
            await page.include(PAGE_SCRIPT)
            offer, received = await page.run(
                """async (whip, whep) => {
                    const publisher = await interop.publish(whip, interop.canvas(640, 360));
                    const viewer = await interop.play(whep);
                    await interop.until(async () =>
                        (await interop.stats(viewer)).video?.framesDecoded > 30, "thirty frames");
                    return [publisher.localDescription.sdp, await interop.stats(viewer)];
                }""",
                server.url("/whip/hidden"),
                server.url("/whep/hidden"),
            )
    candidates = [line for line in offer.splitlines() if line.startswith("a=candidate:")]
    assert candidates
    assert all(".local " in line for line in candidates)
    assert received["remote"]["address"] == own.address
    assert received["transport"]["srtpCipher"] == "SRTP_AEAD_AES_128_GCM"
