"""What is printed for the other end: the command to run there, and what this end waits for."""

import shlex

from sfukit.loadgen.latency.options import LatencyOptions
from sfukit.loadgen.latency.peer import Peer, SubscriberElsewhere
from sfukit.loadgen.latency.peer_address import PeerAddress

_WILDCARDS = ("0.0.0.0", "::")


def lines(options: LatencyOptions, peer: Peer) -> list[str]:
    """Return the lines about the other end; none where both ends are here."""
    if isinstance(peer, SubscriberElsewhere):
        return [f"run there:  {command(options, peer.address)}"]
    if options.peer is not None:
        return [f"waiting for the publisher's end at {options.peer}"]
    return []


def command(options: LatencyOptions, address: PeerAddress) -> str:
    """Return the command line of the subscriber's end; access options are to be added there."""
    host = "THIS-HOST" if address.host in _WILDCARDS else address.host
    words = ["sfukit", "latency", options.run.target or ""]
    if options.run.play is not None:
        words += ["--play", options.run.play]
    words += ["--subscribe-only", "--peer", str(address._replace(host=host))]
    words += ["--peer-token", options.peer_token]
    if options.room is not None:
        words += ["--room", options.room]
    return shlex.join(words)
