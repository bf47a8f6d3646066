"""Requests that a TURN server should refuse: unauthenticated clients, and internal peers.

A relay that reaches loopback, private networks or a cloud's metadata service exposes them
(RFC 8656 section 21.1.3). Only permissions are requested; nothing is sent. The server's own public
address is not on the list: two clients that both use this relay need it. The fixes are options of
coturn.
"""

from aioice import stun

from sfukit.probe.finding import Finding
from sfukit.probe.steps import StepFailedError
from sfukit.probe.turn.allocate import Allocation
from sfukit.probe.turn.client import Client, RefusedError, send_request
from sfukit.probe.turn.options import TurnOptions

_PEERS = (
    ("loopback", "127.0.0.1", "no allow-loopback-peers"),
    ("unspecified", "0.0.0.0", "denied-peer-ip=0.0.0.0-0.255.255.255"),
    ("metadata", "169.254.169.254", "denied-peer-ip=169.254.0.0-169.254.255.255"),
    ("private_10", "10.0.0.1", "denied-peer-ip=10.0.0.0-10.255.255.255"),
    ("private_172", "172.16.0.1", "denied-peer-ip=172.16.0.0-172.31.255.255"),
    ("private_192", "192.168.0.1", "denied-peer-ip=192.168.0.0-192.168.255.255"),
    ("shared_100", "100.64.0.1", "denied-peer-ip=100.64.0.0-100.127.255.255"),
)
_PEERS_6 = (
    ("loopback", "::1", "no allow-loopback-peers"),
    ("unspecified", "::", "denied-peer-ip=::"),
    ("metadata", "fd00:ec2::254", "denied-peer-ip=fc00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("link_local", "fe80::1", "denied-peer-ip=fe80::-febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
    ("private_fd", "fd00::1", "denied-peer-ip=fc00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
)
_PORT = 80


async def examine(client: Client, allocation: Allocation, options: TurnOptions) -> list[Finding]:
    """Request permissions that should be refused; one finding each."""
    findings = [_anonymous(allocation)]
    for name, ip, fix in _PEERS_6 if ":" in allocation.relay[0] else _PEERS:
        findings.append(await _peer(client, name, ip, fix, options))
    return findings


def _anonymous(allocation: Allocation) -> Finding:
    if not allocation.anonymous:
        return Finding(name="anonymous", state="ok", text="no allocation without credentials")
    return Finding(
        name="anonymous",
        state="bad",
        text="unauthenticated clients get an allocation: an open relay",
        fix="lt-cred-mech with users, or use-auth-secret",
    )


async def _peer(client: Client, name: str, ip: str, fix: str, options: TurnOptions) -> Finding:
    try:
        permitted = {"XOR-PEER-ADDRESS": (ip, _PORT)}
        await send_request(client, stun.Method.CREATE_PERMISSION, permitted, options.timeout_s)
    except RefusedError as refused:
        return Finding(name=name, state="ok", text=f"{ip} is refused ({refused.code})")
    except StepFailedError as failed:
        return Finding(name=name, state="unknown", text=f"{ip}: {failed.found}")
    return Finding(name=name, state="bad", text=f"relays to {ip}", fix=fix)
