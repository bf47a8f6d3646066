"""Interfaces of participants and viewers, as the room uses them."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from sfukit.server.access import Rights, Role
from sfukit.server.core import TransportSummary
from sfukit.server.outbox import StateKey
from sfukit.server.publication import Publication, Subscription
from sfukit.signaling.room_messages import ParticipantInfo, QualityNotification


class Member(Protocol):
    """A participant; ``leave_reason`` is None until it leaves."""

    uid: str
    name: str
    role: Role
    rights: Rights
    protocol: str
    number: int
    leave_reason: str | None
    states: dict[str, TransportSummary]
    quality: QualityNotification | None

    @property
    def last_n(self) -> int | None:
        """The bound that the participant has set for last-N."""

    @property
    def message_transport(self) -> int | None:
        """The transport with its channel ``sfukit``, if that is open."""

    @property
    def publications(self) -> Mapping[int, Publication]:
        """The publications of the participant by id."""

    @property
    def subscriptions(self) -> Iterable[Subscription]:
        """The subscriptions."""

    def auto_subscribe(self, publication: Publication) -> None:
        """Subscribe to a new publication if the participant subscribes automatically."""

    def on_data_wanted(self) -> None:
        """Offer data channels, since the room has some."""

    def on_publication_removed(
        self, publication: Publication, others: Iterable[Publication]
    ) -> None:
        """End the subscription of a removed publication; subscribe to one of ``others``."""

    def info(self) -> ParticipantInfo:
        """Return the description that other participants receive."""

    def send(
        self, message: bytes, *, state_key: StateKey | None = None, lossy: bool = False
    ) -> None:
        """Send an encoded message; see ``Outbox`` for ``state_key`` and ``lossy``."""

    def leave(self, reason: str) -> None:
        """Leave the room."""


class Viewer(Protocol):
    """A WHEP viewer, which receives the publications of one participant."""

    publisher: Member
    message_transport: int | None
    states: dict[str, TransportSummary]
    quality: QualityNotification | None

    @property
    def subscriptions(self) -> Iterable[Subscription]:
        """The subscriptions."""

    def on_leaving(self, member: Member) -> None:
        """Handle a participant that is about to leave, before its media stops."""

    def on_unpublished(self, publication: Publication) -> None:
        """Handle a removed publication."""

    def on_drain(self) -> None:
        """Handle the begin of a drain."""

    def leave(self, reason: str) -> None:
        """End the session."""
