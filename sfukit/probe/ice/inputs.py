"""Detect the format of an input, and read it within bounds."""

import json
import zlib
from collections.abc import Sequence
from typing import Any

from sfukit.errors import UsageError
from sfukit.probe.ice import from_firefox, from_internals, from_rtcstats, from_sdp, from_stats
from sfukit.probe.ice.case import Case, IceServer, Side, new_case

MAX_BYTES = 64 * 2**20
_GZIP = b"\x1f\x8b"
_KNOWN = (
    "an SDP or two, a dump of chrome://webrtc-internals or of rtcstats, text of about:webrtc, "
    "getStats() as JSON, or candidates"
)


def read(data: bytes, where: str) -> tuple[str, list[Case]]:
    """Detect the input; return its kind and its connections; raise ``UsageError``."""
    text = _text(data, where)
    kind, cases = _recognised(text, where)
    if not cases:
        raise UsageError(f"{where}: contains no ICE data", hint=f"give {_KNOWN}")
    return kind, cases


def add_remote(cases: Sequence[Case], data: bytes, where: str) -> None:
    """Add the remote side from a second input: its local side is the remote one here."""
    _, theirs = read(data, where)
    for case, far in zip(cases, theirs, strict=False):
        case.remote = _both(case.remote, far.local)
        case.remote_role = far.role
        if far.checks:
            case.remote_requests_received = sum(
                check.requests_received or 0 for check in far.checks
            )
        if not case.checks:
            case.local = _both(case.local, far.remote)
        case.conflict_logged |= far.conflict_logged


def servers(options: Sequence[str]) -> list[IceServer]:
    """Read ``URL[,USERNAME]``; raise ``UsageError``."""
    read = []
    for option in options:
        url, _, username = option.partition(",")
        if not url.startswith(("stun:", "stuns:", "turn:", "turns:")):
            raise UsageError(
                f"--ice-server: {option!r} is no STUN or TURN URI",
                hint="give stun:HOST[:PORT] or turn:HOST[:PORT][?transport=tcp][,USERNAME]",
            )
        read.append(IceServer(url, username.partition(",")[0] or None))
    return read


def _text(data: bytes, where: str) -> str:
    if data.startswith(_GZIP):  # Chromium compresses its dumps by default
        try:
            stream = zlib.decompressobj(wbits=31)
            data = stream.decompress(data, MAX_BYTES + 1)
        except zlib.error as error:
            raise UsageError(f"{where}: broken gzip: {error}") from error
    if len(data) > MAX_BYTES:
        raise UsageError(f"{where}: more than {MAX_BYTES // 2**20} MiB", hint=f"give {_KNOWN}")
    return data.decode("utf-8-sig", errors="replace")


def _recognised(text: str, where: str) -> tuple[str, list[Case]]:
    begin = text.lstrip()[:1]
    if from_rtcstats.looks_like(text):
        return "rtcstats", from_rtcstats.cases(text, where)
    if begin in ("{", "["):
        document = _json(text)
        if document is not None:
            return _from_json(document, text)
    if from_firefox.looks_like(text) and (found := _useful(from_firefox.cases(text))):
        return "about:webrtc", found  # descriptions of Firefox alone have its marks too
    if from_sdp.split(text):
        return "sdp", _useful(from_sdp.cases(text))
    return "candidates", _useful([_pasted(text)])


def _from_json(document: Any, text: str) -> tuple[str, list[Case]]:
    if isinstance(document, dict) and "PeerConnections" in document:
        return "webrtc-internals", from_internals.cases(document)
    if isinstance(document, dict) and isinstance(document.get("sdp"), str):
        described = from_sdp.cases(document["sdp"]) if from_sdp.split(document["sdp"]) else []
        if described and document.get("type") in ("offer", "answer"):
            described[0].local.description = document["type"]
        return "sdp", described
    if from_stats.by_id(document):
        return "getStats()", _useful(from_stats.cases(document))
    return "candidates", _useful([_pasted(text)])


def _pasted(text: str) -> Case:
    case = new_case("candidates")
    from_sdp.describe(case.local, text)
    case.local.known = bool(case.local.candidates or case.local.unread)
    return case


def _useful(cases: list[Case]) -> list[Case]:
    return [case for case in cases if case.local.known or case.remote.known or case.checks]


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _both(known: Side, more: Side) -> Side:
    if not known.known:
        return more
    for found in more.candidates:
        known.add(found)
    for line in more.unread:
        known.note_unread(line)
    known.description = known.description or more.description
    known.setup = known.setup or more.setup
    known.ice_lite |= more.ice_lite
    known.ufrags = list(dict.fromkeys([*known.ufrags, *more.ufrags]))
    return known
