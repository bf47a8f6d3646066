"""The options of a check, parsed and typed."""

import secrets
from dataclasses import dataclass, field

from sfukit.gates import Gate
from sfukit.probe.resolve import Family
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.token import read_unverified
from sfukit.swarm.messages import Srtp
from sfukit.targets.access import Access
from sfukit.targets.detect import TargetUrl


@dataclass(frozen=True)
class Limits:
    """The timeout of each step; a check ends with the first failure. Unit: s."""

    dns_s: float = 3.0
    tcp_s: float = 3.0
    tls_s: float = 3.0
    answer_s: float = 5.0
    ice_s: float = 2.5
    dtls_s: float = 4.0
    media_s: float = 6.0  # reports may be 5 s apart (RFC 3550 section 6.2)


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """One check: the target, room, identity and credentials.

    ``clients`` will follow it: more than a few need permission for each host of a redirect.
    """

    target: TargetUrl
    play: str | None = None
    access: Access = field(default_factory=Access)
    room: str | None = None
    identity: str | None = None
    family: Family = "both"
    srtp: Srtp = "auto"
    clients: int = 1
    limits: Limits = Limits()
    gates: tuple[Gate, ...] = ()
    nickname: str = field(default_factory=lambda: f"check-{secrets.token_hex(3)}")

    def room_and_identity(self) -> tuple[str, str]:
        """Return room and identity: by option, else by the token, else generated."""
        granted = granted_by(self.access.token)
        return (
            self.room or granted.room or self.nickname,
            self.identity or granted.identity or self.nickname,
        )


@dataclass(frozen=True)
class Granted:
    """The claims of a token, unverified; all empty where it is no JWT."""

    room: str = ""
    identity: str = ""
    expires_s: int | None = None


def granted_by(token: str | None) -> Granted:
    """Read a token without verification."""
    try:
        claims = read_unverified(token) if token else {}
    except Refusal:
        return Granted()
    video = claims.get("video")
    room = video.get("room") if isinstance(video, dict) else None
    expires = claims.get("exp")
    return Granted(
        room if isinstance(room, str) else "",
        str(claims.get("sub") or ""),
        int(expires) if isinstance(expires, int | float) else None,
    )
