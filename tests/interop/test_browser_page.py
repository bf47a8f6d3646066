"""The demo page: its resources, layout on a phone, operation by keyboard, and texts."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from sfukit.signaling.token import VideoGrants, claims_for, sign
from tests.interop.browser import Browser, Page
from tests.interop.server import Server, serving
from tests.interop.test_browser_recovery import PLAYS, until

pytestmark = pytest.mark.realtime

PHONE = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
KEY, SECRET = "key", "a-secret-of-more-than-thirty-two-bytes"
WATCH_POLICY = """
    window.violations = [];
    addEventListener("securitypolicyviolation", (event) =>
        violations.push(`${event.violatedDirective} ${event.blockedURI}`));
"""


async def opened(browser: Browser, server: Server, query: str = "") -> Page:
    return await browser.page(server.url(f"/{query}"))


async def join(page: Page, room: str, name: str, **more: Any) -> None:
    options = {"room": room, "name": name, "source": "canvas", **more}
    await page.run("(options) => sfukit.join(options)", options)


async def press(page: Page, label: str) -> None:
    """Click the button with this text, once it is there."""
    find = f"""[...document.querySelectorAll("button")]
        .find((button) => button.checkVisibility() && button.textContent.trim() === "{label}")"""
    await until(page, f"({find}) !== undefined", f"a button {label!r}", 10)
    await page.run(f"() => {find}.click()")


async def shows_text(page: Page, text: str, within_s: float = 10) -> None:
    await until(page, f"document.body.innerText.includes({text!r})", repr(text), within_s)


async def type_in(page: Page, *keys: str) -> None:
    """Press keys; other strings are typed as text."""
    codes = {"Enter": 13, "Tab": 9, "ArrowRight": 39}
    for key in keys:
        if key not in codes:
            await page.call("Input.insertText", text=key)
            continue
        event = {"key": key, "code": key, "windowsVirtualKeyCode": codes[key]}
        text = {"text": "\r"} if key == "Enter" else {}
        await page.call("Input.dispatchKeyEvent", type="keyDown", **event, **text)
        await page.call("Input.dispatchKeyEvent", type="keyUp", **event)


async def test_resources_are_of_the_same_origin_and_meet_the_csp(
    browser: Browser, server: Server
) -> None:
    page = await opened(browser, server)
    await page.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH_POLICY)
    await page.open(server.url("/"))
    await join(page, "policy", "ann")
    await until(page, "sfukit.encodings.some((row) => row.framesSent > 0)", "a frame sent", 20)
    assert await page.run("() => violations") == []
    assert page.console == []
    loaded = await page.run("() => performance.getEntriesByType('resource').map((e) => e.name)")
    assert loaded
    assert all(url.startswith(server.http) for url in loaded)


async def test_fits_a_phone(browser: Browser, server: Server) -> None:
    ann, bob = [await opened(browser, server) for _ in range(2)]
    await ann.call("Emulation.setDeviceMetricsOverride", **PHONE)
    fits = "() => document.documentElement.scrollWidth <= innerWidth"
    assert await ann.run(fits)
    await join(ann, "phone", "ann")
    await join(bob, "phone", "a-very-long-name-" * 4)
    await until(ann, PLAYS, "video", 20)
    assert await ann.run(fits)


LAPTOP = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}
CUT_OFF = """(state) => {
    for (const span of document.querySelectorAll(".encodings .state")) span.textContent = state;
    return [...document.querySelectorAll(".tile")].flatMap((tile) => {
        const edge = tile.getBoundingClientRect().right;
        return [...tile.querySelectorAll("td, dd, th, p, span")]
            .filter((part) => part.checkVisibility() && part.getBoundingClientRect().right > edge)
            .map((part) => part.outerHTML);
    });
}"""


async def test_no_text_of_a_tile_is_cut_off(browser: Browser, server: Server) -> None:
    ann, *others = [await opened(browser, server) for _ in range(3)]
    await ann.call("Emulation.setDeviceMetricsOverride", **LAPTOP)
    await join(ann, "tiles", "ann", source="camera")
    for page, name in zip(others, ("bob", "cid"), strict=True):
        await join(page, "tiles", name)
    await until(ann, "document.querySelectorAll('.tile').length === 3", "three tiles", 20)
    await until(
        ann,
        "sfukit.encodings.filter((row) => row.framesSent > 0).length > 1",
        "two encodings sent",
        20,
    )
    assert await ann.run(CUT_OFF, "inactive, quality limitation: bandwidth") == []


async def test_is_operated_by_keyboard(browser: Browser, server: Server) -> None:
    bob = await opened(browser, server)
    await join(bob, "keys", "bob")
    page = await opened(browser, server, "?room=keys")
    await page.call("Page.bringToFront")
    await type_in(page, "Kim", "Enter")
    await until(page, "sfukit.joined", "to be in the room", 10)
    await until(page, PLAYS, "video", 20)
    await page.run("() => document.querySelector('.layers input:checked').focus()")
    await type_in(page, "ArrowRight")
    await until(page, "sfukit.streams.some((row) => row.layer?.requested === 'q')", "layer q", 5)
    unnamed = await page.run(
        """() => [...document.querySelectorAll("button, input, a, video")].filter((entry) =>
            entry.checkVisibility() && entry.tagName !== "VIDEO" &&
            !(entry.textContent.trim() || entry.getAttribute("aria-label") || entry.labels?.length)
        ).map((entry) => entry.outerHTML)"""
    )
    assert unnamed == []


async def test_video_elements_are_muted_until_unmute(browser: Browser, server: Server) -> None:
    ann, bob = [await opened(browser, server) for _ in range(2)]
    await join(ann, "audio", "ann")
    await join(bob, "audio", "bob")
    await until(ann, PLAYS, "video", 20)
    muted = "[...document.querySelectorAll('video')].map((video) => video.muted)"
    assert all(await ann.run(f"() => {muted}"))
    await press(ann, "Unmute audio")
    assert await ann.run(f"() => {muted}") == [False, True], "the local video stays muted"


async def test_other_participants_see_a_mute(browser: Browser, server: Server) -> None:
    ann, bob = [await opened(browser, server) for _ in range(2)]
    await join(ann, "mute", "ann")
    await join(bob, "mute", "bob")
    await until(ann, PLAYS, "video", 20)
    await press(bob, "Mute mic")
    await press(bob, "Turn video off")
    await shows_text(ann, "muted")
    await shows_text(ann, "video muted")
    await press(bob, "Turn video on")
    frames = "sfukit.streams.find((row) => row.kind === 'video').framesDecoded"
    before = await ann.run(f"() => {frames}")
    await until(ann, f"{frames} > {before}", "frames after the unmute", 10)


async def test_a_screen_share_starts_and_stops(browser: Browser, server: Server) -> None:
    ann, bob = [await opened(browser, server) for _ in range(2)]
    await join(ann, "screen", "ann")
    await join(bob, "screen", "bob")
    # headless Chromium captures no screen: a canvas replaces it
    await bob.run(
        """() => {
            navigator.mediaDevices.getDisplayMedia = async () => {
                const canvas = document.createElement("canvas");
                const context = canvas.getContext("2d");
                setInterval(() => context.fillRect(Math.random() * 300, 0, 9, 150), 50);
                return canvas.captureStream();
            };
        }"""
    )
    await press(bob, "Share screen")
    screen = "sfukit.streams.some((row) => row.source === 'screen_share' && row.framesDecoded > 0)"
    await until(ann, screen, "the screen share", 15)
    await press(bob, "Stop sharing")
    await until(ann, f"!{screen} && {PLAYS}", "the end of the screen share", 10)
    assert await bob.run("() => sfukit.errors") == []


async def test_receive_only_publishes_nothing(browser: Browser, server: Server) -> None:
    ann, bob = [await opened(browser, server) for _ in range(2)]
    await join(ann, "watch", "ann")
    await join(bob, "watch", "bob", source="none")
    await until(bob, PLAYS, "video", 20)
    assert await bob.run("() => sfukit.publications") == []
    await shows_text(ann, "2 participants, 1 receive-only")


async def test_a_second_tab_replaces_the_first_for_good(browser: Browser, server: Server) -> None:
    first, second = [await opened(browser, server) for _ in range(2)]
    await join(first, "twice", "ann", uid="ann")
    await join(second, "twice", "ann", uid="ann")
    await shows_text(first, "You joined from another tab")
    assert await first.run("() => sfukit.state") == "left"
    await press(first, "Rejoin here")
    await shows_text(second, "You joined from another tab")
    await until(first, "sfukit.joined", "to be in the room", 10)


async def test_leave_removes_every_stream(browser: Browser, server: Server) -> None:
    ann, bob = [await opened(browser, server) for _ in range(2)]
    await join(ann, "leave", "ann")
    await join(bob, "leave", "bob")
    await until(ann, PLAYS, "video", 20)
    await press(bob, "Leave")
    await until(ann, "sfukit.participants.length === 0", "bob to leave", 5)
    await shows_text(ann, "No other participant publishes yet")
    await shows_text(bob, "Join a room")
    assert await bob.run("() => sfukit.streams") == []


async def test_a_refused_token_is_explained(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SFUKIT_API_KEY", KEY)
    monkeypatch.setenv("SFUKIT_API_SECRET", SECRET)
    grants = VideoGrants(room_join=True, room_create=True, room="other")
    token = sign(claims_for(KEY, "ann", grants, valid_s=60), SECRET)
    with serving(tmp_path) as server:
        for query, text in (
            ("?room=keys", "This server requires a token."),
            ("?room=keys&token=x.y.z", "The token is not valid on this server."),
            (f"?room=keys&token={token}", "The token is for another room."),
        ):
            page = await opened(browser, server, query)
            await press(page, "Join")
            await shows_text(page, text)
            assert await page.run("() => sfukit.state") == "refused"
        page = await opened(browser, server, f"?room=other&access_token={token}")
        await press(page, "Join")
        await until(page, "sfukit.joined", "to be in the room", 10)
        assert await page.run("() => sfukit.uid") == "ann"


async def test_joins_once_the_server_responds(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path) as first:
        page = await opened(browser, first, "?room=wait")
        port, udp_port = int(first.http.rpartition(":")[2]), first.udp_port
    await press(page, "Join")
    await shows_text(page, "The server does not respond.")
    with serving(tmp_path, http_port=port, udp_port=udp_port):
        await until(page, "sfukit.joined", "to be in the room", 10)
        assert not await page.run("() => document.body.innerText.includes('does not respond')")


async def test_a_drain_is_announced(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        page = await opened(browser, server)
        await join(page, "drain", "ann")
        os.kill(server.process_id, signal.SIGTERM)
        await shows_text(page, "This server stops in 30 s")
        assert await page.run("() => sfukit.joined")
