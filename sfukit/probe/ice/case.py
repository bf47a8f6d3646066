"""One connection as far as an input shows it: two sides, checks, moments, servers."""

import msgspec

from sfukit.probe.ice import candidate_lines
from sfukit.probe.ice.candidate import MAX_CANDIDATES, IceCandidate
from sfukit.probe.ice.candidate_lines import Unread

MAX_UNREAD = 50  # that are kept; all are counted
Key = tuple[str, str, str, int, int, str | None]

CONNECTED = ("connected", "completed")


class Side(msgspec.Struct, kw_only=True):
    """One agent: what it described and what it gathered."""

    known: bool = False
    description: str | None = None  # offer or answer
    setup: str | None = None
    ice_lite: bool = False
    ufrags: list[str] = []
    end_of_candidates: bool = False
    candidates: list[IceCandidate] = []
    places: dict[Key, int] = {}  # of each candidate in the list
    unread: list[Unread] = []
    unread_count: int = 0

    def read(self, text: str) -> list[IceCandidate]:
        """List the candidates in a text; what was not understood of them is noted."""
        found = []
        for each in candidate_lines.read(text):
            if isinstance(each, Unread):
                self.note_unread(each)
            else:
                found.append(each)
        return found

    def note_unread(self, unread: Unread) -> None:
        """Count a line that was not understood, each once, and keep the first of them."""
        if unread in self.unread:
            return
        self.unread_count += 1
        if len(self.unread) < MAX_UNREAD:
            self.unread.append(unread)

    def add(self, candidate: IceCandidate) -> None:
        """Take a candidate unless the same one is known; keep what each source adds."""
        key = _key(candidate)
        if key in self.places:
            at = self.places[key]
            self.candidates[at] = _merged(self.candidates[at], candidate)
        elif len(self.candidates) < MAX_CANDIDATES:
            self.places[key] = len(self.candidates)
            self.candidates.append(candidate)


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate pair as a browser saw it; None is not told."""

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
    """Something that happened; ``at_ms`` since the first of them, None where no time is told."""

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
    """A STUN or TURN server that was to be used."""

    url: str
    username: str | None = None

    @property
    def relays(self) -> bool:
        """Whether it is a TURN server."""
        return self.url.startswith("turn")


class Case(msgspec.Struct, kw_only=True):
    """One connection; ``recorded_s`` is the Unix time of the record, None where it is not told."""

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
    refused_remote: str | None = None  # what the browser said of a candidate that it did not take
    arrived_there: int | None = None  # checks that the far side's own record shows
    recorded_s: float | None = None

    @property
    def was_connected(self) -> bool:
        """Whether ICE had a working pair at some time."""
        return any(event.type == "ice" and event.value in CONNECTED for event in self.events)

    @property
    def selected(self) -> Check | None:
        """The pair in use."""
        return next((check for check in self.checks if check.selected), None)


def new_case(name: str) -> Case:
    """Make a case that knows nothing yet."""
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
