"""One room: participants, viewers, publications, notifications. idle -> active -> closed."""

import asyncio
import itertools
import time
from collections import Counter, OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from functools import partial
from typing import Any, Protocol

from sfukit.server.core import Core
from sfukit.server.member import Member, Viewer
from sfukit.server.outbox import StateKey, state_key_of
from sfukit.server.publication import Publication
from sfukit.server.stats import StatsCache
from sfukit.signaling import jsonrpc
from sfukit.signaling.room_messages import ActiveSpeaker, ParticipantInfo

MOST_MUTES = 1_000  # mutes by a host that are kept for later publications
LARGE_ROOM = 100  # above, members receive the size of the audience, not its joins and leaves
_SIZE_INTERVAL_S = 1.0
_COUNT_AGE_S = 1.0
_MAX_PENDING_ANNOUNCEMENTS = 500  # sent before the debounce time is over


class RoomState(StrEnum):
    """The state of a room."""

    IDLE = "idle"
    ACTIVE = "active"
    CLOSED = "closed"


class RoomRegistry(Protocol):
    """The registry of rooms, which closes empty rooms."""

    def on_room_empty(self, room: "Room") -> None:
        """Handle the leave of the last participant or viewer."""


class Room:
    """The scope within which media is forwarded."""

    def __init__(
        self, core: Core, registry: RoomRegistry, number: int, name: str, worker: int
    ) -> None:
        self.core = core
        self.number = number
        self.name = name
        self.worker = worker
        self.state = RoomState.IDLE
        self.participants: dict[str, Member] = {}
        self.viewers: list[Viewer] = []
        self.publications: dict[int, Publication] = {}
        self.active_speakers: list[ActiveSpeaker] = []
        self._mutes_by_host: OrderedDict[tuple[str, str], None] = OrderedDict()
        self.has_data = False
        self.stats = StatsCache(core.engine, number, worker)
        self._registry = registry
        self._viewer_counts: Counter[int] = Counter()
        self._counted_s = float("-inf")
        self._announcements: dict[StateKey, bytes] = {}
        self._announcement_number = 0
        self._announcement_timer: asyncio.TimerHandle | None = None
        self._size_timer: asyncio.TimerHandle | None = None

    @property
    def is_empty(self) -> bool:
        """Whether the room has no participants and no viewers."""
        return not self.participants and not self.viewers

    @property
    def participant_count(self) -> int:
        """The number of participants that are not hidden."""
        return sum(not member.rights.hidden for member in self.participants.values())

    def note_mute_by_host(self, uid: str, kind: str) -> None:
        """Keep whether a host has muted the audio or video of a participant."""
        self._mutes_by_host.pop((uid, kind), None)
        published = [
            entry
            for entry in self.publications.values()
            if (entry.owner.uid, entry.kind) == (uid, kind)
        ]
        if any(entry.muted_by_host for entry in published):
            self._mutes_by_host[uid, kind] = None
            if len(self._mutes_by_host) > MOST_MUTES:
                self._mutes_by_host.popitem(last=False)

    def muted_by_host(self, uid: str, kind: str) -> bool:
        """Return whether a host has muted the participant's publications of a kind."""
        return (uid, kind) in self._mutes_by_host

    def add(self, participant: Member) -> Member | None:
        """Add a participant; return the one of the same uid, which has to leave."""
        self.state = RoomState.ACTIVE
        replaced = self.participants.pop(participant.uid, None)
        self.participants[participant.uid] = participant
        if replaced is None:
            self._announce_member(
                participant,
                "participant-joined",
                {"uid": participant.uid, "name": participant.name, "role": participant.role},
            )
        return replaced

    def restore(self, participant: Member) -> None:
        """Add a replaced participant again after the join of its successor failed."""
        if participant.leave_reason is None:
            self.state = RoomState.ACTIVE
            self.participants[participant.uid] = participant

    def leaving(self, participant: Member) -> None:
        """Let viewers switch to another publisher before the media stops."""
        for viewer in list(self.viewers):
            self.core.guard("publisher_leaving", viewer.on_leaving, participant)

    def remove(self, participant: Member, ended: Iterable[Publication], reason: str) -> None:
        """Remove a participant and its publications; a replaced one is not announced."""
        removed = [
            entry for entry in ended if self.publications.pop(entry.number, None) is not None
        ]
        present = self.participants.get(participant.uid) is participant
        if present:
            del self.participants[participant.uid]
        try:
            for publication in removed:
                self._withdraw(publication, reason)
            if present:
                self._announce_member(
                    participant,
                    "participant-left",
                    {"uid": participant.uid, "reason": reason},
                    is_known=bool(removed),
                )
        finally:
            self._note_empty()

    def add_viewer(self, viewer: Viewer) -> None:
        """Add a viewer."""
        self.state = RoomState.ACTIVE
        self.viewers.append(viewer)

    def remove_viewer(self, viewer: Viewer) -> None:
        """Remove a viewer."""
        if viewer in self.viewers:
            self.viewers.remove(viewer)
            self._note_empty()

    def viewer_count(self, publisher: Member) -> int:
        """Return the number of viewers of a publisher, at most a second old: all of them ask."""
        now_s = time.monotonic()
        if now_s - self._counted_s > _COUNT_AGE_S:
            self._counted_s = now_s
            self._viewer_counts = Counter(id(viewer.publisher) for viewer in self.viewers)
        return self._viewer_counts[id(publisher)]

    def add_publication(self, publication: Publication) -> None:
        """Add and announce a publication."""
        self.publications[publication.number] = publication
        for member in list(self.participants.values()):
            self.core.guard("publication_added", member.auto_subscribe, publication)
        info = publication.info()
        self.announce(
            "publication-added",
            {
                "uid": publication.owner.uid,
                "publication": info.publication,
                "kind": info.kind,
                "source": info.source,
                "codec": info.codec,
                "rids": info.rids,
                "muted": info.muted,
            },
        )

    def remove_publication(self, publication: Publication, reason: str) -> None:
        """Remove a publication and announce its removal."""
        if self.publications.pop(publication.number, None) is not None:
            self._withdraw(publication, reason)

    def on_data_wanted(self) -> None:
        """Have all participants, and those that join later, offered data channels."""
        self.has_data = True
        for member in list(self.participants.values()):
            self.core.guard("data_wanted", member.on_data_wanted)

    def announce(self, method: str, params: Any) -> None:
        """Notify all participants after the debounce time, batched with other announcements."""
        self._announcement_number += 1
        key = state_key_of(method, params) or (self._announcement_number,)
        self._announcements.pop(key, None)  # of a state, only the latest is sent
        self._announcements[key] = jsonrpc.notification(method, params)
        if len(self._announcements) >= _MAX_PENDING_ANNOUNCEMENTS:
            self._send_announcements()
        elif self._announcement_timer is None:
            wait_s = self.core.settings.timing.debounce_s
            self._announcement_timer = self.core.loop.call_later(wait_s, self._send_announcements)

    def list_participants(self) -> list[ParticipantInfo]:
        """Return all publishers and up to ``LARGE_ROOM`` other participants."""
        listed = []
        audience = 0
        for member in self.participants.values():
            if member.rights.hidden:
                continue
            if not member.publications:
                audience += 1
                if audience > LARGE_ROOM:
                    continue
            listed.append(member.info())
        return listed

    def close(self, reason: str) -> None:
        """Remove all participants and viewers; the caller closes the room of the engine."""
        self.state = RoomState.CLOSED
        if self._size_timer is not None:
            self._size_timer.cancel()
        self._send_announcements()
        for member in list(self.participants.values()):
            self.core.guard("room_closed", member.leave, reason)
        for viewer in list(self.viewers):
            self.core.guard("room_closed", viewer.leave, reason)

    def _withdraw(self, publication: Publication, reason: str) -> None:
        self.active_speakers = [
            entry for entry in self.active_speakers if entry.publication != publication.number
        ]
        for member in list(self.participants.values()):
            others = self.publications.values()
            self.core.guard(
                "publication_removed", member.on_publication_removed, publication, others
            )
        for viewer in list(self.viewers):
            self.core.guard("publication_removed", viewer.on_unpublished, publication)
        self.announce(
            "publication-removed",
            {
                "uid": publication.owner.uid,
                "publication": publication.number,
                "reason": reason,
            },
        )

    def _send_announcements(self) -> None:
        if self._announcement_timer is not None:
            self._announcement_timer.cancel()
            self._announcement_timer = None
        if not self._announcements:
            return
        announcements, self._announcements = self._announcements, {}
        for state_key, frame in _frames(announcements):
            for member in list(self.participants.values()):
                self.core.guard("announcement", partial(member.send, frame, state_key=state_key))

    def _announce_member(
        self, participant: Member, method: str, params: Any, *, is_known: bool = False
    ) -> None:
        if participant.rights.hidden or self.state is RoomState.CLOSED:
            return
        if len(self.participants) <= LARGE_ROOM or is_known:
            self.announce(method, params)
        elif self._size_timer is None:
            self._size_timer = self.core.loop.call_later(_SIZE_INTERVAL_S, self._announce_size)

    def _announce_size(self) -> None:
        self._size_timer = None
        self.announce("room-size", {"participants": self.participant_count})

    def _note_empty(self) -> None:
        if self.is_empty and self.state is RoomState.ACTIVE:
            self.state = RoomState.IDLE
            self._registry.on_room_empty(self)


def _frames(announcements: Mapping[StateKey, bytes]) -> Iterator[tuple[StateKey | None, bytes]]:
    """Encode announcements as JSON-RPC batches; a state stays a frame that can be replaced."""
    for is_state, entries in itertools.groupby(
        announcements.items(), lambda entry: len(entry[0]) > 1
    ):
        if is_state:
            yield from entries
        else:
            yield None, jsonrpc.joined([message for _, message in entries])
