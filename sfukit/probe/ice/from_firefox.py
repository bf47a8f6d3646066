"""Read text of Firefox's about:webrtc: descriptions, the table of pairs, the log."""

import re
from collections.abc import Iterator

from sfukit.probe.ice import from_sdp
from sfukit.probe.ice.candidate import IceCandidate, kind_of
from sfukit.probe.ice.case import Case, Check, Side, new_case

_MAX_PAIRS = 1000
_MAX_LINE = 2000

_ENDPOINT = r"(\[?[\w:.%-]{2,255}\]?):(\d{1,5})/(udp|tcp|tls)\(([\w -]{4,20})\)"
_ROW = re.compile(_ENDPOINT + r"\s+" + _ENDPOINT, re.IGNORECASE)
_STATE = re.compile(r"\b(failed|succeeded|inprogress|in-progress|waiting|frozen|cancelled)\b", re.I)

# ...setting pair to state FAILED: id|IP4:192.0.2.1:50000/UDP|IP4:198.51.100.2:3478/UDP(kind(...
_LOGGED = re.compile(
    r"setting pair to state (\w{4,12}): [^|]{1,32}\|IP[46]:(\S{3,64}):(\d{1,5})/(UDP|TCP)"
    r"\|IP[46]:(\S{3,64}):(\d{1,5})/(UDP|TCP)\((\w{4,6})"
)
_SIDES = re.compile(r"\b(local|remote) sdp\b", re.IGNORECASE)


def looks_like(text: str) -> bool:
    """Return whether a text is of Firefox's about:webrtc."""
    return bool(
        "ICE-PEER(" in text or "SDPARTA" in text or _ROW.search(text) or "about:webrtc" in text
    )


def cases(text: str) -> list[Case]:
    """Read one connection; of several in the text they are merged."""
    case = new_case("about:webrtc")
    for side, part in _descriptions(text, case):
        from_sdp.describe(side, part)
    lines = [line[:_MAX_LINE] for line in text.splitlines()]
    for line in lines:
        if match := _ROW.search(line):
            _add_row(case, match)
        elif match := _LOGGED.search(line):
            _add_logged(case, match)
        elif "role conflict" in line.lower():
            case.conflict_logged = True
    if case.checks:
        case.ice_state = _state_of(case)
    return [case]


def _descriptions(text: str, case: Case) -> Iterator[tuple[Side, str]]:
    """Find the descriptions under the headings of the local and remote SDP."""
    sides = {"local": case.local, "remote": case.remote}
    headings = list(_SIDES.finditer(text))
    for index, heading in enumerate(headings):
        end = headings[index + 1].start() if index + 1 < len(headings) else len(text)
        part = text[heading.end() : end]
        if "v=0" in part:
            yield sides[heading[1].lower()], "\n".join(_sdp_lines(part))


def _sdp_lines(part: str) -> Iterator[str]:
    for line in part[part.index("v=0") :].splitlines():
        if line.strip() and line.strip()[1:2] != "=":
            return
        yield line.strip()


def _add_row(case: Case, match: re.Match[str]) -> None:
    fields = match.groups()
    local, remote = _endpoint(*fields[:4]), _endpoint(*fields[4:8])
    row = match.string  # the state is before the addresses in newer versions, after in older ones
    state = _STATE.search(row)
    flags = row.lower().count("true")
    _add(case, local, remote, state[1].lower() if state else "unknown", flags)


def _add_logged(case: Case, match: re.Match[str]) -> None:
    state, *local, remote, port, transport, kind = match.groups()
    ours = _endpoint(local[0], local[1], local[2], kind)
    theirs = _endpoint(remote, port, transport, "unknown")
    for known in case.remote.candidates:
        if (known.address, known.port) == (theirs.address, theirs.port):
            theirs = known
    case.checks = [c for c in case.checks if (c.local, c.remote) != (ours, theirs)]
    _add(case, ours, theirs, state.lower().replace("_", "-"), 0)


def _add(case: Case, local: IceCandidate, remote: IceCandidate, state: str, flags: int) -> None:
    if len(case.checks) >= _MAX_PAIRS:
        return
    state = state.replace("inprogress", "in-progress")
    check = Check(local=local, remote=remote, state=state, nominated=flags > 0, selected=flags > 1)
    case.checks.append(check)
    for side, found in ((case.local, local), (case.remote, remote)):
        side.known = True
        if not any(_same_place(found, known) for known in side.candidates):
            side.add(found)


def _same_place(a: IceCandidate, b: IceCandidate) -> bool:
    return (a.address, a.port, a.transport) == (b.address, b.port, b.transport)


def _endpoint(address: str, port: str, transport: str, kind: str) -> IceCandidate:
    over = transport.lower()
    return IceCandidate(
        kind=kind_of(kind.split()[0]),
        transport="udp" if over == "udp" else "tcp",
        address=address.strip("[]").lower(),
        port=min(int(port), 65535),
    )


def _state_of(case: Case) -> str:
    """Derive the ICE state from the pairs, since the text rarely contains it."""
    states = {check.state for check in case.checks}
    if "succeeded" in states:
        return "connected"
    return "failed" if states <= {"failed", "cancelled", "frozen"} else "checking"
