"""Who may do what: a request's token becomes ``Rights`` in one room."""

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from sfukit.signaling.names import SOURCE_KINDS, participant_name
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.token import Claims, VideoGrants, verify


class Role(StrEnum):
    """What a participant is in a room."""

    HOST = "host"
    SPEAKER = "speaker"
    AUDIENCE = "audience"


class Rights(msgspec.Struct, frozen=True):
    """What one participant may do in one room; ``identity`` is None where nobody vouches for it."""

    identity: str | None = None
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
        """The highest role that the rights give."""
        if self.identity is not None and self.admin:
            return Role.HOST
        return Role.SPEAKER if self.publish and not self.hidden else Role.AUDIENCE

    def require_publish(self) -> None:
        """Refuse who may not publish at all."""
        if not self.publish:
            raise Refusal("publish_denied", "this token does not allow to publish")
        if self.hidden:
            raise Refusal("publish_denied", "a hidden participant does not publish")

    def require_subscribe(self) -> None:
        """Refuse who may not receive."""
        if not self.subscribe:
            raise Refusal("subscribe_denied", "this token does not allow to receive")

    def require_source(self, source: str, kind: str) -> None:
        """Refuse to publish what the token does not list, or a source as what it is not."""
        self.require_publish()
        if self.sources is None:
            return
        if source not in self.sources or source not in SOURCE_KINDS:
            raise Refusal("source_denied", f"this token does not allow to publish {source}")
        if SOURCE_KINDS[source] != kind:
            raise Refusal("source_denied", f"{source} is {SOURCE_KINDS[source]}, not {kind}")

    def require_host(self) -> None:
        """Refuse what only a host may do."""
        if not self.admin:
            raise Refusal("admin_denied", "this needs a token with roomAdmin")


class Access:
    """Check tokens against the keys; without keys everybody here may do everything."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._keys = keys

    @property
    def is_open(self) -> bool:
        """Whether no token is asked for."""
        return not self._keys

    def claims(self, token: str | None) -> Claims | None:
        """Verify a token; None where none is asked for."""
        if self.is_open:
            return None
        if not token:
            raise Refusal("token_missing", "an access token is needed: Authorization: Bearer TOKEN")
        return verify(token, self._keys)

    def rights(self, claims: Claims | None, room: str) -> Rights:
        """Read what a token allows in a room; raise ``Refusal`` where it does not admit at all."""
        if claims is None:
            return Rights()
        video = claims.video
        if video.room and video.room != room:
            raise Refusal("room_denied", f"this token is for the room {video.room!r}")
        if not (video.room_join or video.room_admin):
            raise Refusal("join_denied", "this token does not allow to join (roomJoin)")
        if not claims.sub:
            raise Refusal("token_invalid", "the token names nobody (sub)")
        return _rights(claims, video)

    def require_admin(self, claims: Claims | None) -> None:
        """Refuse a token that does not make an admin."""
        if claims is not None and not claims.video.room_admin:
            raise Refusal("admin_denied", "this needs a token with roomAdmin")


def _rights(claims: Claims, video: VideoGrants) -> Rights:
    sources = video.can_publish_sources
    return Rights(
        identity=participant_name(claims.sub),
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
