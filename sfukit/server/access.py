"""Authorization: the token of a request becomes ``Rights`` in one room."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from sfukit.signaling.names import SOURCE_KINDS, participant_name
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.token import Claims, VideoGrants, verify


class Role(StrEnum):
    """The role of a participant in a room."""

    HOST = "host"
    SPEAKER = "speaker"
    AUDIENCE = "audience"


class Rights(msgspec.Struct, frozen=True):
    """The grants of one participant in one room; ``identity`` is None without a token."""

    identity: str | None = None
    subject: str = ""  # API key, room and identity of the token
    name: str = ""
    admin: bool = True
    create: bool = True
    publish: bool = True
    subscribe: bool = True
    data: bool = True
    sources: frozenset[str] | None = None
    hidden: bool = False
    expires_s: int | None = None  # Unix time

    @property
    def role(self) -> Role:
        """The highest role that the grants allow."""
        if self.identity is not None and self.admin:
            return Role.HOST
        return Role.SPEAKER if self.publish and not self.hidden else Role.AUDIENCE

    def require_publish(self) -> None:
        """Raise ``Refusal`` (publish_denied) unless the grants allow to publish."""
        if not self.publish:
            raise Refusal("publish_denied", "the token has canPublish = false")
        if self.hidden:
            raise Refusal("publish_denied", "hidden participants cannot publish")

    def require_subscribe(self) -> None:
        """Raise ``Refusal`` (subscribe_denied) unless the grants allow to subscribe."""
        if not self.subscribe:
            raise Refusal("subscribe_denied", "the token has canSubscribe = false")

    def require_source(self, source: str, kind: str) -> None:
        """Raise ``Refusal`` unless the grants allow the source, and the kind is the source's."""
        self.require_publish()
        if self.sources is None:
            return
        if source not in self.sources or source not in SOURCE_KINDS:
            raise Refusal("source_denied", f"canPublishSources of the token lacks {source}")
        if SOURCE_KINDS[source] != kind:
            raise Refusal(
                "source_denied", f"the source {source} is {SOURCE_KINDS[source]}, not {kind}"
            )

    def require_host(self) -> None:
        """Raise ``Refusal`` (admin_denied) unless the participant is a host."""
        if not self.admin:
            raise Refusal("admin_denied", "a token with the grant roomAdmin is required")


class Access:
    """Verify tokens with the API keys; without API keys every request has all grants."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._keys = keys

    @property
    def is_open(self) -> bool:
        """Whether the server has no API keys, so that requests need no token."""
        return not self._keys

    def claims(self, token: str | None) -> Claims | None:
        """Return the claims of a verified token, None without API keys; raise ``Refusal``."""
        if self.is_open:
            return None
        if not token:
            raise Refusal("token_missing", "an access token is needed: Authorization: Bearer TOKEN")
        return verify(token, self._keys)

    def rights(self, claims: Claims | None, room: str) -> Rights:
        """Return the grants of a token in a room; raise ``Refusal`` if it cannot join."""
        if claims is None:
            return Rights()
        video = claims.video
        if video.room and video.room != room:
            raise Refusal("room_denied", f"the token is for the room {video.room!r}")
        if not (video.room_join or video.room_admin):
            raise Refusal("join_denied", "the token lacks the grant roomJoin")
        if not claims.sub:
            raise Refusal("token_invalid", "the token has no subject (sub)")
        return _rights(claims, video)

    def require_admin(self, claims: Claims | None) -> None:
        """Raise ``Refusal`` (admin_denied) for a token without the grant roomAdmin."""
        if claims is not None and not claims.video.room_admin:
            raise Refusal("admin_denied", "a token with the grant roomAdmin is required")


def _rights(claims: Claims, video: VideoGrants) -> Rights:
    sources = video.can_publish_sources
    return Rights(
        identity=participant_name(claims.sub),
        subject=f"{claims.iss}\n{video.room}\n{claims.sub}",
        name=claims.name[:128],
        admin=video.room_admin,
        create=video.room_create or video.room_admin,
        publish=video.can_publish is not False,
        subscribe=video.can_subscribe is not False,
        data=video.can_publish_data is not False,
        sources=frozenset(sources) if sources is not None else None,
        hidden=video.hidden,
        expires_s=claims.exp,
    )
