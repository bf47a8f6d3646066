"""Data channels between participants of Chromium."""

from pathlib import Path
from typing import Any

import pytest

from tests.interop.browser import Browser, Page
from tests.interop.server import Server

pytestmark = pytest.mark.realtime

SCRIPT = (Path(__file__).parent / "data_channels.js").read_text()


async def run(browser: Browser, server: Server, body: str) -> Any:
    """Run a script with the participants of ``data_channels.js`` in a page of the server."""
    page: Page = await browser.page(server.url("/livez"))
    return await page.run(f"async () => {{ {SCRIPT}\n{body} }}")


async def test_every_kind_of_channel_with_messages_of_256_kib(
    browser: Browser, server: Server
) -> None:
    got = await run(
        browser,
        server,
        """
        const [ann, bob] = ["ann", "bob"].map((uid) => new DataPeer(uid));
        await bob.join("kinds");
        await ann.join("kinds", {
          reliable: {},
          unordered: { ordered: false },
          retransmits: { ordered: false, maxRetransmits: 3 },
          lifetime: { maxPacketLifeTime: 3000 },
        });
        const received = () => Object.values(bob.received ?? {});
        const ready = () => received().filter((it) => it.readyState === "open");
        await until(() => ready().length === 4, "four channels");
        const large = new Uint8Array(256 * 1024).map((_, place) => place * 7);
        for (const channel of Object.values(ann.channels)) {
          const short = new Uint8Array([0, 255]);
          ["text é", "", short, new Uint8Array(0), large].forEach((it) => channel.send(it));
        }
        await until(() => bob.messages.length === 20, "20 messages");
        const kinds = ready().map((it) => [
          it.label, it.ordered, it.maxRetransmits, it.maxPacketLifeTime,
        ]);
        const all = bob.messages.map(({ data }) => data);
        const texts = all.filter((data) => typeof data === "string");
        const binary = all.filter((data) => typeof data !== "string");
        const isWrong = (data) => new Uint8Array(data).some((byte, at) => byte !== large[at]);
        const wrong = binary.filter((data) => data.byteLength === large.length && isWrong(data));
        const sizes = binary.map((data) => data.byteLength);
        return { kinds: kinds.sort(), wrong: wrong.length, texts: texts.sort(), sizes };
        """,
    )
    assert got["kinds"] == [
        ["lifetime", True, None, 3000],
        ["reliable", True, None, None],
        ["retransmits", False, 3, None],
        ["unordered", False, None, None],
    ]
    assert got["wrong"] == 0
    assert got["texts"] == ["", "", "", "", *["text é"] * 4]
    assert sorted(got["sizes"]) == [*[0] * 4, *[2] * 4, *[262_144] * 4]


async def test_a_channel_is_closed_and_opened_again_and_both_directions_work(
    browser: Browser, server: Server
) -> None:
    got = await run(
        browser,
        server,
        """
        const [ann, bob] = ["ann", "bob"].map((uid) => new DataPeer(uid));
        await bob.join("again");
        await ann.join("again", { chat: {} });
        ann.channels.chat.send("first");
        await until(() => bob.messages.length === 1, "the first message");
        bob.received.chat.send("answer");
        await until(() => ann.messages.length === 1, "the answer");
        ann.channels.chat.send("last");
        ann.channels.chat.close();
        await until(() => bob.closed.length === 1, "closed");
        const chat = ann.publishing.createDataChannel("chat", { ordered: false });
        await opened(chat);
        chat.send("again");
        await until(() => bob.messages.length === 3, "the third message");
        const texts = (peer) => peer.messages.map(({ data }) => data);
        return [texts(bob), texts(ann), bob.received.chat.ordered];
        """,
    )
    assert got == [["first", "last", "again"], ["answer"], False]


async def test_buffered_amount_holds_a_bulk_sender_back(browser: Browser, server: Server) -> None:
    bulk = await run(
        browser,
        server,
        """
        const [ann, bob] = ["ann", "bob"].map((uid) => new DataPeer(uid));
        await bob.join("bulk");
        await ann.join("bulk", { bulk: {} });
        await until(() => bob.received?.bulk?.readyState === "open", "open");
        const channel = ann.channels.bulk;
        channel.bufferedAmountLowThreshold = 256 * 1024;
        const [piece, pieces] = [64 * 1024, 400];
        let [bytes, inOrder, most, waits] = [0, true, 0, 0];
        bob.onmessage = ({ data }) => {
          inOrder &&= new DataView(data).getUint32(0) === bytes / piece;
          bytes += data.byteLength;
        };
        const begin = performance.now();
        for (let number = 0; number < pieces; number += 1) {
          const message = new Uint8Array(piece);
          new DataView(message.buffer).setUint32(0, number);
          channel.send(message);
          most = Math.max(most, channel.bufferedAmount);
          if (channel.bufferedAmount > 1024 * 1024) {
            waits += 1;
            await new Promise((resolve) => (channel.onbufferedamountlow = resolve));
          }
        }
        await until(() => bytes === piece * pieces, "every byte", 40);
        const seconds = (performance.now() - begin) / 1000;
        return { inOrder, most, waits, mbps: (bytes * 8) / 1e6 / seconds, closed: bob.closed };
        """,
    )
    assert bulk["inOrder"]
    assert bulk["waits"] > 0
    assert bulk["most"] < 1_200_000
    assert bulk["closed"] == []
    assert bulk["mbps"] > 10, "the figure of a quiet machine: docs/data-channels.md"
