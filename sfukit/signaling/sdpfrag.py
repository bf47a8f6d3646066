"""Trickle ICE fragments (RFC 8840 section 9, as WHIP uses them: RFC 9725 section 4.3)."""

import msgspec

from sfukit.signaling import candidates, grammar
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.transport import LocalTransport

CONTENT_TYPE = "application/trickle-ice-sdpfrag"
_MAX_LINES = 500


class Fragment(msgspec.Struct, frozen=True):
    """A parsed fragment; candidates with names or unknown transports are omitted."""

    ufrag: str | None
    pwd: str | None
    candidates: list[candidates.Candidate]
    complete: bool


def parse(text: str) -> Fragment:
    """Parse a fragment; raise ``Refusal`` (sdpfrag_malformed) with the line at fault."""
    ufrag = pwd = None
    found = []
    complete = False
    try:
        lines = grammar.split_lines(text, _MAX_LINES)
    except grammar.SdpError as error:
        raise _malformed(error.line, error.why) from None
    for number, line in enumerate(lines, 1):
        if line and line[1:2] != "=":
            raise _malformed(number, "not a line of SDP")
        name, _, value = line[2:].partition(":")
        if line.startswith("a=ice-ufrag:"):
            ufrag = value
        elif line.startswith("a=ice-pwd:"):
            pwd = value
        elif line.startswith("a=candidate:"):
            found.append(_candidate(number, line))
        elif name == "end-of-candidates":
            complete = True
    usable = [entry for entry in found if entry.transport == "udp" and entry.address is not None]
    return Fragment(ufrag, pwd, usable, complete)


def write_restart(local: LocalTransport, media: str) -> str:
    """Write the server's side of an ICE restart; ``media`` is its m-line and mid."""
    return (
        "a=ice-lite\r\n"
        f"a=ice-ufrag:{local.credentials.ufrag}\r\n"
        f"a=ice-pwd:{local.credentials.pwd}\r\n"
        f"{media}{local.candidates}"
    )


def _candidate(number: int, line: str) -> candidates.Candidate:
    try:
        return candidates.parse(line)
    except ValueError as error:
        raise _malformed(number, str(error)) from None


def _malformed(line: int, why: str) -> Refusal:
    return Refusal("sdpfrag_malformed", f"line {line}: {why}", line=line)
