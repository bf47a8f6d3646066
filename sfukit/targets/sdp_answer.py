"""The body of an accepted offer: SDP, or what was sent in its place. Pure."""

from typing import NamedTuple

from sfukit.signaling.whip import SDP_TYPE
from sfukit.targets.http_request import Response

_WORDS = 120
_FIXES = {
    "text/html": "an HTML page: is the path that of the WHIP or WHEP endpoint? "
    "does a login page or a proxy answer in its place?",
    "application/json": "another API: WHIP and WHEP answer application/sdp",
}


class NotSdp(NamedTuple):
    """What is wrong with a body, and the fix."""

    message: str
    fix: str


def fault(reply: Response) -> NotSdp | None:
    """Return what is wrong where the body is no SDP, by its Content-Type and its first bytes."""
    if reply.text.lstrip().startswith("v="):
        return None
    kind = reply.media_type or "no Content-Type"
    if kind == SDP_TYPE:
        return None  # malformed: the SDP parser reports the line
    shown = " ".join(reply.text.split())[:_WORDS]
    return NotSdp(
        f"HTTP {reply.status} with {kind} instead of {SDP_TYPE}: {shown or 'an empty body'}",
        _FIXES.get(kind, f"is this the WHIP or WHEP endpoint? its answer has to be {SDP_TYPE}"),
    )
