"""The options of two ends on two hosts, checked together."""

import hashlib
import secrets
from typing import NamedTuple

from sfukit import config
from sfukit.errors import UsageError
from sfukit.loadgen.latency import peer_address
from sfukit.loadgen.latency.options import Ends
from sfukit.loadgen.latency.peer_address import PeerAddress

_TOKEN_BYTES = 16
_MIN_TOKEN = 8
_EXAMPLE = (
    "publisher: --publish-only --peer 0.0.0.0:7099; "
    "subscriber: the command that the publisher's end prints"
)


class TwoEnds(NamedTuple):
    """The ends that run here, and how they reach the other one; ``room`` is common to both."""

    here: Ends
    room: str | None
    peer: PeerAddress | None
    token: str


def read(
    target: str | None,
    *,
    publish_only: bool,
    subscribe_only: bool,
    peer: str | None,
    token: str | None,
    room: str | None,
) -> TwoEnds:
    """Read the options; raise ``UsageError`` where they contradict each other."""
    if publish_only and subscribe_only:
        raise UsageError(
            "--publish-only and --subscribe-only: leave both out to measure in one process",
            hint=_EXAMPLE,
        )
    option = "--publish-only" if publish_only else "--subscribe-only" if subscribe_only else None
    if option is None:
        if peer is not None or token is not None:
            raise UsageError(
                "--peer without --publish-only or --subscribe-only: which end is this?",
                hint=_EXAMPLE,
            )
        return TwoEnds("both", room, None, "")
    if target is None:
        raise UsageError(f"{option} without a target", hint="name the SFU of both ends")
    if peer is None:
        raise UsageError(f"{option} without --peer: the clocks differ", hint=_EXAMPLE)
    secret = _secret(token, subscribe_only)
    common = hashlib.sha256(b"sfukit latency room\0" + secret.encode()).hexdigest()[:12]
    return TwoEnds(
        "publish" if publish_only else "subscribe",
        room or f"latency-{common}",
        peer_address.parse(peer),
        secret,
    )


def _secret(token: str | None, subscribe_only: bool) -> str:
    if token is None:
        if subscribe_only:
            raise UsageError(
                "--subscribe-only without --peer-token",
                hint="use the command that the publisher's end prints",
            )
        return secrets.token_hex(_TOKEN_BYTES)
    secret = config.secret(token, "--peer-token")
    if len(secret) < _MIN_TOKEN:
        raise UsageError(
            f"--peer-token: shorter than {_MIN_TOKEN} characters",
            hint="leave it out at the publisher's end: it prints a random one",
        )
    return secret
