"""Who is in a room, as the room and the others in it see them."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from sfukit.server.access import Rights, Role
from sfukit.server.core import TransportSummary
from sfukit.server.outbox import StateKey
from sfukit.server.publication import Publication, Subscription
from sfukit.signaling.room_messages import ParticipantInfo


class Member(Protocol):
    """A participant; ``left`` is why it left, or None while it is there."""

    uid: str
    name: str
    role: Role
    rights: Rights
    protocol: str
    number: int
    leave_reason: str | None
    states: dict[str, TransportSummary]

    @property
    def publications(self) -> Mapping[int, Publication]:
        """What it publishes, by number."""

    @property
    def subscriptions(self) -> Iterable[Subscription]:
        """What it receives."""

    def auto_subscribe(self, publication: Publication) -> None:
        """Receive what came up, if it wants to."""

    def on_publication_removed(
        self, publication: Publication, others: Iterable[Publication]
    ) -> None:
        """Receive no longer what is gone; another may take its place."""

    def info(self) -> ParticipantInfo:
        """Describe it to others."""

    def send(
        self, message: bytes, *, state_key: StateKey | None = None, lossy: bool = False
    ) -> None:
        """Send it a finished message."""

    def leave(self, reason: str) -> None:
        """Leave the room."""


class Viewer(Protocol):
    """One who plays a member's publications without being a member."""

    publisher: Member
    states: dict[str, TransportSummary]

    @property
    def subscriptions(self) -> Iterable[Subscription]:
        """What it receives."""

    def on_leaving(self, member: Member) -> None:
        """Hear that a member is about to leave, while its media still flows."""

    def on_unpublished(self, publication: Publication) -> None:
        """Hear that a publication is gone."""

    def leave(self, reason: str) -> None:
        """Stop to play."""
