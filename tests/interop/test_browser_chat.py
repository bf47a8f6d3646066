"""The demo page: chat by a data channel, and pointers on a shared screen."""

import asyncio

import pytest

from tests.interop.browser import Browser
from tests.interop.server import Server
from tests.interop.test_browser_page import join, opened, press, shows_text
from tests.interop.test_browser_recovery import until

pytestmark = pytest.mark.realtime

TYPE = """(text) => {
    document.querySelector("#chat").open = true;
    document.querySelector("#chat input").value = text;
    document.querySelector("#chat form").requestSubmit();
}"""
MARKUP = "<b>hello</b> & welcome"
CAPTURE_CANVAS = """() => {
    navigator.mediaDevices.getDisplayMedia = async () => {
        const canvas = document.createElement("canvas");
        [canvas.width, canvas.height] = [640, 360];
        const draw = canvas.getContext("2d");
        setInterval(() => draw.fillRect(Math.random() * 600, 0, 9, 9), 40);
        return canvas.captureStream(25);
    };
}"""
SCREEN = "sfukit.streams.some((row) => row.source === 'screen_share' && row.framesDecoded > 0)"
MOVE = """() => {
    const own = sfukit.streams.find((row) => row.source === "screen_share");
    const tiles = [...document.querySelectorAll(".tile:not(.local)")];
    const tile = tiles.find((it) => it.getAttribute("aria-label").includes("screen"));
    const video = tile.querySelector("video");
    const { left, top, width, height } = video.getBoundingClientRect();
    const [clientX, clientY] = [left + width / 4, top + height / 2];
    video.dispatchEvent(new PointerEvent("pointermove", { clientX, clientY, bubbles: true }));
    return own.publication;
}"""
SHOWN = """() => {
    const mark = document.querySelector(".tile.local .pointer");
    const box = mark.parentElement.getBoundingClientRect();
    return [mark.textContent, parseFloat(mark.style.left) / box.width];
}"""


async def test_chat_reaches_all_with_the_name_of_its_sender(
    browser: Browser, server: Server
) -> None:
    ann, bob, cid = [await opened(browser, server) for _ in range(3)]
    await join(ann, "chat", "ann")
    await join(bob, "chat", "bob", source="none")
    await ann.run(TYPE, MARKUP)
    await shows_text(ann, f"ann (you) {MARKUP}")
    await until(bob, "document.querySelector('.unread').textContent === ' (1 new)'", "unread", 10)
    await bob.run(TYPE, "an answer")
    await shows_text(bob, f"ann {MARKUP}")
    await shows_text(ann, "bob an answer")
    await join(cid, "chat", "cid", source="none")
    await asyncio.gather(ann.run(TYPE, "later"), bob.run(TYPE, "too"))
    await cid.run("() => { document.querySelector('#chat').open = true; }")
    await shows_text(cid, "ann later")
    await shows_text(cid, "bob too")


async def test_a_pointer_on_a_shared_screen_is_shown_to_its_publisher(
    browser: Browser, server: Server
) -> None:
    ann, bob = [await opened(browser, server) for _ in range(2)]
    await join(ann, "pointer", "ann")
    await join(bob, "pointer", "bob")
    await bob.run(CAPTURE_CANVAS)
    await press(bob, "Share screen")
    await until(ann, SCREEN, "the screen", 20)
    await ann.run(MOVE)
    shown = "document.querySelector('.tile.local .pointer') !== null"
    await until(bob, shown, "the pointer", 20)
    name, x = await bob.run(SHOWN)
    assert name == "ann"
    assert abs(x - 0.25) < 0.02
