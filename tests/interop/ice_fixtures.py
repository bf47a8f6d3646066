"""Record how Chromium fails: ``python -m tests.interop.ice_fixtures [NAME...]``, as root.

Everything happens in a network namespace of its own, with Debian's coturn in it. What is recorded
goes to ``tests/fixtures/ice``.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.interop.browser import WITH_CAMERA, Browser, Page, chromium
from tests.interop.coturn import coturn
from tests.interop.namespace import ADDRESS, Namespace, namespace

FOLDER = Path(__file__).resolve().parents[1] / "fixtures" / "ice"
SECRET = "lab"
EXPIRED = "1700000000:ann"
PORT = 3478
STUN = f"stun:{ADDRESS}:{PORT}"
TURN = f"turn:{ADDRESS}:{PORT}?transport=udp"
SERVER_UDP = f"udp dport {PORT} drop"

SCRIPT = """() => {
    const make = (config) => new RTCPeerConnection(config);
    const gathered = (pc) => new Promise((done) => {
        const look = () => pc.iceGatheringState === "complete" && done();
        pc.addEventListener("icegatheringstatechange", look);
        look();
    });
    const reached = (pc, ...states) => new Promise((done) => {
        const look = () => states.includes(pc.iceConnectionState) && done(pc.iceConnectionState);
        pc.addEventListener("iceconnectionstatechange", look);
        look();
    });
    const stats = async (pc) => Object.fromEntries((await pc.getStats()).entries());
    const offer = async (config) => {
        const pc = make(config);
        pc.createDataChannel("d");
        await pc.setLocalDescription();
        await gathered(pc);
        return pc;
    };
    const answer = async (pc, config, rewrite, mute) => {
        const other = make(config);
        let sdp = pc.localDescription.sdp;
        if (mute) sdp = sdp.replace(/^a=candidate:.*\\r\\n/gm, ""); // then it sends no checks
        await other.setRemoteDescription({ type: "offer", sdp });
        await other.setLocalDescription();
        await gathered(other);
        window.other = other;
        return { type: "answer", sdp: rewrite(other.localDescription.sdp) };
    };
    window.lab = { make, gathered, reached, stats, offer, answer };
}"""

CAPTURE = """() => new Promise((done) => {
    URL.createObjectURL = (blob) => { blob.text().then(done); return "#"; };
    document.getElementById("dump-checkbox").checked = false; // else it is gzip
    document.getElementById("dump-click-target").click();
})"""


class Lab:
    """A browser in a namespace, with the page that calls and the one that records."""

    def __init__(self, browser: Browser, own: Namespace, page: Page, internals: Page) -> None:
        self.browser, self.own, self.page, self.internals = browser, own, page, internals

    async def dump(self) -> dict[str, Any]:
        """Take the dump as the button of chrome://webrtc-internals writes it."""
        await asyncio.sleep(2)  # it is told of events a while later, of statistics once a second
        return dict(json.loads(await self.internals.run(CAPTURE)))

    def firewall(self, *rules: str) -> None:
        """Drop what arrives and matches one of the rules."""
        nft(self.own, "flush ruleset", "add table inet lab")
        nft(self.own, "add chain inet lab input { type filter hook input priority 0; }")
        for rule in rules:
            nft(self.own, f"add rule inet lab input {rule}")


def nft(own: Namespace, *commands: str) -> None:
    subprocess.run(
        [*own.prefix, "nft", "-f", "-"], input="\n".join(commands), text=True, check=True
    )


@contextlib.asynccontextmanager
async def lab(*flags: str) -> AsyncIterator[Lab]:
    secret = ("--use-auth-secret", "--static-auth-secret", SECRET)
    with (
        namespace() as own,
        tempfile.TemporaryDirectory() as folder,
        coturn(Path(folder), *secret, host=ADDRESS, port=PORT, prefix=own.prefix),
    ):
        async with chromium("chromium", *flags, prefix=own.prefix) as browser:
            internals = await browser.page("chrome://webrtc-internals")
            page = await browser.page("data:text/html,<title>call</title>")
            await page.run(SCRIPT)
            yield Lab(browser, own, page, internals)


def password(user: str) -> str:
    """Sign a user name as the TURN REST convention does."""
    return base64.b64encode(hmac.digest(SECRET.encode(), user.encode(), hashlib.sha1)).decode()


CALL = """async (config, to, address, until) => {
    const pc = await lab.offer(config);
    const rewrite = (sdp) => address ? sdp.replaceAll(to, address) : sdp;
    const answer = await lab.answer(pc, {}, rewrite, Boolean(address));
    await pc.setRemoteDescription(answer);
    window.pc = pc;
    const state = await lab.reached(pc, ...until);
    return { state, offer: pc.localDescription.sdp, answer: answer.sdp,
             stats: await lab.stats(pc), farStats: await lab.stats(other) };
}"""


async def connected(at: Lab) -> None:
    await at.page.run("async () => { await navigator.mediaDevices?.getUserMedia({audio: true}) }")
    got = await at.page.run(CALL, {"iceServers": [{"urls": STUN}]}, "", "", ["connected"])
    write("connected.offer.sdp", got["offer"])
    write("connected.answer.sdp", got["answer"])
    write_json("connected.internals.json", await at.dump())
    write_json("connected.stats.json", await at.page.run("() => lab.stats(pc)"))


async def wrong_address(at: Lab) -> None:
    """A server that advertises the address that it has inside its container."""
    got = await at.page.run(CALL, {}, ADDRESS, "172.17.0.2", ["failed", "disconnected"])
    write("wrong-address.answer.sdp", got["answer"])
    write_json("wrong-address.stats.json", got["stats"])
    write_json("wrong-address.internals.json", await at.dump())


async def no_udp(at: Lab) -> None:
    """A firewall that drops what comes back from the STUN server, and everything from the peer."""
    at.firewall("meta l4proto udp drop")
    config = {"iceServers": [{"urls": STUN}]}
    got = await at.page.run(CALL, config, "", "", ["failed", "disconnected"])
    write_json("no-udp.stats.json", got["stats"])
    write_json("no-udp.internals.json", await at.dump())


async def mdns_only(at: Lab) -> None:
    sdp = await at.page.run("async () => (await lab.offer({})).localDescription.sdp")
    write("mdns-only.offer.sdp", sdp)


async def turn_expired(at: Lab) -> None:
    server = {"urls": TURN, "username": EXPIRED, "credential": password(EXPIRED)}
    await relay_only(at, server, "turn-expired")


async def turn_refused(at: Lab) -> None:
    user = "4102444800:ann"
    server = {"urls": TURN, "username": user, "credential": "not the password"}
    await relay_only(at, server, "turn-refused")


async def relay_only(at: Lab, server: dict[str, str], name: str) -> None:
    config = {"iceServers": [server], "iceTransportPolicy": "relay"}
    await at.page.run(
        """async (config) => {
            const pc = await lab.offer(config);
            const answer = await lab.answer(pc, {}, (sdp) => sdp);
            await pc.setRemoteDescription(answer);
        }""",
        config,
    )
    write_json(f"{name}.internals.json", await at.dump())


async def one_way(at: Lab) -> None:
    """What this side sends is dropped, what the far side sends arrives."""
    port = await at.page.run(
        """async () => {
            window.pc = await lab.offer({});
            return Number(/candidate:\\S+ 1 udp \\d+ \\S+ (\\d+)/.exec(pc.localDescription.sdp)[1]);
        }"""
    )
    at.firewall(f"udp sport {port} drop")
    got = await at.page.run(
        """async () => {
            await pc.setRemoteDescription(await lab.answer(pc, {}, (sdp) => sdp));
            await new Promise((done) => setTimeout(done, 5000)); // pairs are dropped in the end
            return { stats: await lab.stats(pc), farStats: await lab.stats(other) };
        }"""
    )
    write_json("one-way.stats.json", got["stats"])
    write_json("one-way.far.stats.json", got["farStats"])
    await at.page.run("() => lab.reached(pc, 'failed', 'disconnected')")
    write_json("one-way.internals.json", await at.dump())


async def consent_lost(at: Lab) -> None:
    """A path that dies after it had worked."""
    await at.page.run(CALL, {}, "", "", ["connected"])
    await asyncio.sleep(2)
    at.firewall("meta l4proto udp drop")
    await at.page.run("() => lab.reached(pc, 'disconnected')")
    await asyncio.sleep(3)
    write_json("consent-lost.internals.json", await at.dump())
    write_json("consent-lost.stats.json", await at.page.run("() => lab.stats(pc)"))


async def no_answer(at: Lab) -> None:
    """An offer that nobody answers."""
    await at.page.run("async () => { await lab.offer({}) }")
    write_json("no-answer.internals.json", await at.dump())


Recording = Callable[[Lab], Awaitable[None]]
RECORDINGS: dict[str, Recording] = {
    each.__name__: each
    for each in (
        *(connected, wrong_address, no_udp, mdns_only, turn_expired, turn_refused),
        *(one_way, consent_lost, no_answer),
    )
}
HIDDEN_ADDRESSES = {"mdns_only"}
SHOWN_ADDRESSES = (*WITH_CAMERA, "--disable-features=WebRtcHideLocalIpsWithMdns")
ICE_STATISTICS = {"candidate-pair", "local-candidate", "remote-candidate", "transport"}


def write(name: str, text: str) -> None:
    (FOLDER / name).write_bytes(text.encode())


def write_json(name: str, document: dict[str, Any]) -> None:
    """Keep what concerns ICE; the rest of a dump is forty times as much."""
    for connection in document.get("PeerConnections", {}).values():
        connection["stats"] = {
            name: series
            for name, series in connection["stats"].items()
            if series["statsType"] in ICE_STATISTICS and "[" not in name
        }
    write(name, json.dumps(document, indent=1) + "\n")


async def main(names: list[str]) -> None:
    for name in names or RECORDINGS:
        flags = () if name in HIDDEN_ADDRESSES else SHOWN_ADDRESSES
        async with lab(*flags) as at:
            await asyncio.wait_for(RECORDINGS[name](at), 120)
        sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
