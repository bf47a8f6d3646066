"""Active speakers of a room of two tabs, whose microphones send audio levels (RFC 6464)."""

import os
from pathlib import Path

import pytest

from tests.interop.browser import Browser
from tests.interop.server import Server
from tests.interop.test_browser_page import join, opened
from tests.interop.test_browser_recovery import until

pytestmark = pytest.mark.realtime

DOMINANT = """[...document.querySelectorAll('.tile[data-speech="dominant"] .name')]
    .map((name) => name.textContent).join()"""


async def test_the_tab_that_is_not_muted_is_the_speaker(browser: Browser, server: Server) -> None:
    ann, bob = [await opened(browser, server) for _ in range(2)]
    for page, name in ((ann, "ann"), (bob, "bob")):
        await join(page, "speech", name)
        await page.run("() => sfukit.mute('audio', true)")
    await until(ann, "sfukit.streams.some(({ kind }) => kind === 'video')", "video of bob", 20)
    await until(ann, "sfukit.speakers.length === 0", "silence", 5)
    await bob.run("() => sfukit.mute('audio', false)")
    await until(ann, f"{DOMINANT} === 'bob'", "bob's tile as the speaker's", 5)
    await until(bob, f"{DOMINANT} === 'bob (you)'", "the own tile as the speaker's", 5)
    (speaker,) = await ann.run("() => sfukit.speakers")
    assert speaker["uid"] == await bob.run("() => sfukit.uid")
    assert -50 <= speaker["level_dbov"] <= 0
    if folder := os.environ.get("SFUKIT_SCREENSHOTS"):
        await ann.screenshot(Path(folder) / "speaker.png")
    await bob.run("() => sfukit.mute('audio', true)")
    await ann.run("() => sfukit.mute('audio', false)")
    await until(ann, f"{DOMINANT} === 'ann (you)'", "the own tile as the speaker's", 5)
    await until(bob, f"{DOMINANT} === 'ann'", "ann's tile as the speaker's", 5)
    joined_late = await opened(browser, server)
    await join(joined_late, "speech", "eve", source="none")
    await until(joined_late, f"{DOMINANT} === 'ann'", "the speaker at the join", 10)
