"""The data of one connection in an input: two sides, checks, events, servers."""

import msgspec

from sfukit.probe.ice import candidate_lines
from sfukit.probe.ice.candidate import MAX_CANDIDATES, IceCandidate
from sfukit.probe.ice.candidate_lines import Unread

MAX_UNREAD = 50  # that are kept; all are counted
Key = tuple[str, str, str, int, int, str | None]

CONNECTED = ("connected", "completed")


class Side(msgspec.Struct, kw_only=True):
    """One ICE agent: its description and its candidates."""

    known: bool = False
    description: str | None = None  # offer or answer
    setup: str | None = None
    ice_lite: bool = False
    ufrags: list[str] = []
    end_of_candidates: bool = False
    candidates: list[IceCandidate] = []
    places: dict[Key, int] = {}  # index in candidates
    unread: list[Unread] = []
    unread_count: int = 0

    def read(self, text: str) -> list[IceCandidate]:
        """List the candidates in a text; invalid lines are noted."""
        found = []
        for each in candidate_lines.read(text):
            if isinstance(each, Unread):
                self.note_unread(each)
            else:
                found.append(each)
        return found

    def note_unread(self, unread: Unread) -> None:
        """Count an invalid line, each once, and keep the first ``MAX_UNREAD``."""
        if unread in self.unread:
            return
        self.unread_count += 1
        if len(self.unread) < MAX_UNREAD:
            self.unread.append(unread)

    def add(self, candidate: IceCandidate) -> None:
        """Add a candidate; attributes of a known one are merged."""
        key = _key(candidate)
        if key in self.places:
            at = self.places[key]
            self.candidates[at] = _merged(self.candidates[at], candidate)
        elif len(self.candidates) < MAX_CANDIDATES:
            self.places[key] = len(self.candidates)
            self.candidates.append(candidate)


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate pair of a browser's statistics; None is unknown."""

    local: IceCandidate
    remote: IceCandidate
    state: str
    nominated: bool = False
    selected: bool = False
    rtt_ms: float | None = None
    requests_sent: int | None = None
    responses_received: int | None = None
    requests_received: int | None = None
    responses_sent: int | None = None


class Event(msgspec.Struct, frozen=True):
    """One event; ``at_ms`` since the first one, None without a time."""

    at_ms: float | None
    type: str
    value: str


class ServerError(msgspec.Struct, frozen=True):
    """A STUN or TURN server that failed (W3C icecandidateerror; 701: it did not answer)."""

    url: str
    code: int
    text: str
    at_ms: float | None = None


class IceServer(msgspec.Struct, frozen=True):
    """A configured STUN or TURN server."""

    url: str
    username: str | None = None

    @property
    def relays(self) -> bool:
        """Whether it is a TURN server."""
        return self.url.startswith("turn")


class Case(msgspec.Struct, kw_only=True):
    """One connection; ``recorded_s`` is the Unix time of the record, or None."""

    name: str
    local: Side
    remote: Side
    checks: list[Check] = []
    events: list[Event] = []
    errors: list[ServerError] = []
    servers: list[IceServer] | None = None
    relay_only: bool = False
    role: str | None = None
    remote_role: str | None = None
    ice_state: str | None = None
    dtls_state: str | None = None
    conflict_logged: bool = False
    refused_remote: str | None = None  # the browser's error of addIceCandidate
    remote_requests_received: int | None = None  # requestsReceived of the remote side's record
    recorded_s: float | None = None

    @property
    def was_connected(self) -> bool:
        """Whether ICE was connected at some time."""
        return any(event.type == "ice" and event.value in CONNECTED for event in self.events)

    @property
    def selected(self) -> Check | None:
        """The selected pair."""
        return next((check for check in self.checks if check.selected), None)


def new_case(name: str) -> Case:
    """Return an empty case."""
    return Case(name=name, local=Side(), remote=Side())


def _key(candidate: IceCandidate) -> Key:
    return (
        *(candidate.kind, candidate.transport, candidate.address, candidate.port),
        *(candidate.component, candidate.tcp_type if candidate.transport == "tcp" else None),
    )


def _merged(known: IceCandidate, more: IceCandidate) -> IceCandidate:
    added = {
        field: getattr(more, field)
        for field in IceCandidate.__struct_fields__
        if getattr(known, field) in (None, "")
    }
    return msgspec.structs.replace(known, **added)
