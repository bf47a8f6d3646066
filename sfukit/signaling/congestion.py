"""Congestion feedback of a receiver: transport-wide feedback or REMB, and their extensions.

Transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01) needs a sequence number
in each packet, REMB (draft-alvestrand-rmcat-remb-03) a send time. A receiver gives one of them.
"""

from collections.abc import Collection, Mapping

from sfukit.signaling.extensions import ABS_SEND_TIME, TRANSPORT_WIDE_CC

TRANSPORT_CC = "transport-cc"
REMB = "goog-remb"
_NEEDED = {TRANSPORT_CC: TRANSPORT_WIDE_CC, REMB: ABS_SEND_TIME}


def offered(kind: str, extensions: Mapping[str, int]) -> tuple[str, ...]:
    """Return the feedback that a sender with these extensions can use."""
    usable = [name for name, uri in _NEEDED.items() if uri in extensions]
    return tuple(name for name in usable if name != REMB or kind == "video")


def agreed(
    offered: Collection[str], feedback: Collection[str], extensions: Collection[str]
) -> tuple[str, ...]:
    """Return the feedback of a receiver that lists this feedback and these extensions."""
    for name in offered:
        if name in feedback and _NEEDED[name] in extensions:
            return (name,)
    return ()


def extensions_for(feedback: Collection[str], extensions: Mapping[str, int]) -> dict[str, int]:
    """Return the extensions without those of congestion feedback that is not given."""
    unused = {uri for name, uri in _NEEDED.items() if name not in feedback}
    return {uri: number for uri, number in extensions.items() if uri not in unused}
