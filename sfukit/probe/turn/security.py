"""Requests that a TURN server should refuse: unauthenticated clients, and internal peers.

A relay that reaches loopback, private networks or a cloud's metadata service exposes them
(RFC 8656 section 21.1.3). Permissions and channels are requested; no data is sent there. The
server's own public address is not on the list: two clients that both use this relay need it.
"""

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace

from aioice import stun

from sfukit.probe.finding import Finding, FindingState
from sfukit.probe.steps import StepFailedError
from sfukit.probe.turn import relaying
from sfukit.probe.turn.allocate import Allocation, allocate_unrecorded
from sfukit.probe.turn.client import CHANNEL, Client, RefusedError, ping_ms, send_request
from sfukit.probe.turn.internal_peers import RANGES_4, RANGES_6, PeerRange
from sfukit.probe.turn.options import TurnOptions
from sfukit.probe.turn.peer import Peer
from sfukit.turn.uri import Variant

Reopen = Callable[[], Awaitable[Client]]

_PORT = 80
_CHANNEL = "CHANNEL-NUMBER"
_SEPARATOR = ":  "  # in the text of a range, behind its words
_TRANSPORT_TCP = 0x06000000
_SENT = 3
_ARRIVAL_S = 0.3
_MARKS: dict[FindingState, str] = {"ok": "denies", "bad": "allows", "unknown": "unknown"}


async def examine(
    client: Client,
    allocation: Allocation,
    peer: Peer,
    variant: Variant,
    options: TurnOptions,
    reopen: Reopen,
) -> list[Finding]:
    """Send what should be refused; ``reopen`` connects another client, for IPv6 and for TCP."""
    findings = [_anonymous(allocation)]
    if not isinstance(peer, relaying.EchoServer):
        findings.append(await _send_without_permission(client, allocation, peer, options))
    if variant != "udp":
        findings.append(await _tcp_relay(options, reopen))
    channels = itertools.count(CHANNEL + 1)
    if ":" in allocation.relay[0]:
        return findings + await _peers(client, RANGES_6, channels, options)
    findings += await _peers(client, RANGES_4, channels, options)
    return findings + await _ipv6(options, reopen)


def in_words(findings: Sequence[Finding]) -> Iterator[str]:
    """Say which ranges the server relays to, which it refuses, and which are not known."""
    for state, verb in _MARKS.items():
        words = [one.text.partition(_SEPARATOR)[0] for one in findings if _is_range(one, state)]
        if words:
            yield f"{verb} {', '.join(words)}"


def _is_range(finding: Finding, state: FindingState) -> bool:
    return finding.state == state and finding.name in _RANGE_NAMES


def _anonymous(allocation: Allocation) -> Finding:
    if not allocation.anonymous:
        return Finding(name="anonymous", state="ok", text="no allocation without credentials")
    return Finding(
        name="anonymous",
        state="bad",
        text="unauthenticated clients get an allocation: an open relay",
        fix="lt-cred-mech with users, or use-auth-secret",
    )


async def _send_without_permission(
    client: Client, allocation: Allocation, peer: Peer, options: TurnOptions
) -> Finding:
    """Send indications without a permission have to be dropped (RFC 8656 section 11.2)."""
    name = "send_without_permission"
    await peer.open(allocation.relay)
    for _ in range(_SENT):
        message = stun.Message(stun.Method.SEND, stun.Class.INDICATION)
        message.attributes["XOR-PEER-ADDRESS"] = peer.address
        message.attributes["DATA"] = b"sfukit"
        client._send(bytes(message))
    await ping_ms(client, options.timeout_s)  # by then the server has read them
    await asyncio.sleep(_ARRIVAL_S)
    arrived, peer.received, peer.received_bytes = peer.received, 0, 0
    if arrived:
        return Finding(
            name=name,
            state="bad",
            text=f"{arrived} of {_SENT} Send indications without a permission were relayed",
            fix="update the server: permissions are not checked",
        )
    return Finding(name=name, state="ok", text="no Send indication without a permission is relayed")


async def _tcp_relay(options: TurnOptions, reopen: Reopen) -> Finding:
    """Request an allocation for TCP connections to peers (RFC 6062), which browsers do not use."""
    try:
        allocation = await _allocated(replace(options, relay_transport=_TRANSPORT_TCP), reopen)
    except StepFailedError as failed:
        return Finding(name="tcp_relay", state="ok", text=f"no TCP relays ({failed.cause})")
    return Finding(
        name="tcp_relay",
        state="warning",
        text=f"opens TCP connections to peers from {allocation.relay[0]} (RFC 6062)",
        fix="no-tcp-relay",
    )


async def _ipv6(options: TurnOptions, reopen: Reopen) -> list[Finding]:
    """Try the IPv6 ranges from an IPv6 relay, where the server has one."""
    try:
        client = await reopen()
    except StepFailedError as failed:
        return [Finding(name="ipv6", state="unknown", text=f"IPv6 relays: {failed.found}")]
    wanted = replace(options, relay_family=6)
    try:
        await allocate_unrecorded(client, wanted)
        channels = itertools.count(CHANNEL + 1)
        return await _peers(client, RANGES_6, channels, options)
    except StepFailedError as failed:
        state: FindingState = "ok" if failed.cause == "family_unsupported_440" else "unknown"
        return [Finding(name="ipv6", state=state, text=f"no IPv6 relays ({failed.cause})")]
    finally:
        await relaying.release(client, options)
        client.transport.close()


async def _allocated(options: TurnOptions, reopen: Reopen) -> Allocation:
    client = await reopen()
    try:
        allocation = await allocate_unrecorded(client, options)
        await relaying.release(client, options)
        return allocation
    finally:
        client.transport.close()


async def _peers(
    client: Client, ranges: Sequence[PeerRange], channels: Iterator[int], options: TurnOptions
) -> list[Finding]:
    return [await _range(client, one, channels, options) for one in ranges]


async def _range(
    client: Client, tried: PeerRange, channels: Iterator[int], options: TurnOptions
) -> Finding:
    """Request a permission and a channel for each address of a range."""
    evidence: list[str] = []
    granted: dict[str, None] = {}  # addresses
    unanswered = ""
    for ip in tried.addresses:
        place = {"XOR-PEER-ADDRESS": (ip, _PORT)}
        for name, method, attributes in (
            ("CreatePermission", stun.Method.CREATE_PERMISSION, place),
            ("ChannelBind", stun.Method.CHANNEL_BIND, {_CHANNEL: next(channels), **place}),
        ):
            try:
                await send_request(client, method, attributes, options.timeout_s)
            except RefusedError as refused:
                evidence.append(f"{name} {ip}: {refused.code}")
            except StepFailedError as failed:
                unanswered = failed.cause
                evidence.append(f"{name} {ip}: {failed.cause}")
            else:
                granted[ip] = None
                evidence.append(f"{name} {ip}: granted")
    state: FindingState = "bad" if granted else "unknown" if unanswered else "ok"
    outcome = {"bad": f"relays to {', '.join(granted)}", "unknown": unanswered, "ok": "refused"}
    return Finding(
        name=tried.name,
        state=state,
        text=f"{tried.words}{_SEPARATOR}{outcome[state]}",
        fix=tried.fix if granted else None,
        evidence=evidence,
    )


_RANGE_NAMES = frozenset(one.name for one in (*RANGES_4, *RANGES_6))
