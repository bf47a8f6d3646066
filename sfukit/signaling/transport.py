"""The transport part of a description: ICE, DTLS, BUNDLE (RFC 8839, RFC 8122, RFC 8843)."""

import re

import msgspec

from sfukit.signaling.refusal import Refusal
from sfukit.signaling.sdp import Section, Session

_DIGEST_BYTES = {"sha-224": 28, "sha-256": 32, "sha-384": 48, "sha-512": 64}
# Certificates that collide can be made under these (RFC 8122 section 5 forbids the last two).
_WEAK_HASHES = {"sha-1", "md5", "md2"}
_FINGERPRINT = re.compile(r"(sha-\d+) ([0-9A-F]{2}(?::[0-9A-F]{2})*)")
_ICE_CHARS = re.compile(r"[A-Za-z0-9+/]+")


class Credentials(msgspec.Struct, frozen=True):
    """ICE user fragment and password (RFC 8445 section 5.3)."""

    ufrag: str
    pwd: str


class RemoteParameters(msgspec.Struct, frozen=True):
    """What the engine must know of a peer before media can flow."""

    ufrag: str
    pwd: str
    fingerprints: list[str]


class LocalTransport(msgspec.Struct, frozen=True):
    """What is said of one of our transports; ``candidates`` are finished lines, shared by all."""

    credentials: Credentials
    fingerprint: str
    candidates: str

    def lines(self, setup: str) -> str:
        """Write the attributes of an m-line that belong to the transport."""
        return (
            f"a=ice-ufrag:{self.credentials.ufrag}\r\n"
            f"a=ice-pwd:{self.credentials.pwd}\r\n"
            f"a=fingerprint:{self.fingerprint}\r\n"
            f"a=setup:{setup}\r\n"
        )


def credentials(ufrag: str, pwd: str) -> Credentials:
    """Check ICE credentials against the grammar (RFC 8839 section 5.4)."""
    if not (4 <= len(ufrag) <= 256 and _ICE_CHARS.fullmatch(ufrag)):
        raise Refusal("ice_missing", "ice-ufrag is missing, too short or not of ice-chars")
    if not (22 <= len(pwd) <= 256 and _ICE_CHARS.fullmatch(pwd)):
        raise Refusal("ice_missing", "ice-pwd is missing, too short or not of ice-chars")
    return Credentials(ufrag, pwd)


def remote_of_offer(session: Session) -> RemoteParameters:
    """Take the peer's side out of an offer this server can be the other end of."""
    used = [media for media in session.media if not media.rejected]
    tagged = _tagged(session, used)
    if tagged.setup not in ("actpass", "active"):
        raise Refusal(
            "setup_refused",
            f"this server is the DTLS server: offer actpass, not {tagged.setup or 'nothing'}",
        )
    return _remote(tagged)


def remote_of_answer(session: Session) -> RemoteParameters:
    """Take the peer's side out of an answer to an offer of actpass (RFC 5763 section 5)."""
    used = [media for media in session.media if not media.rejected]
    tagged = _tagged(session, used)
    if tagged.setup != "active":
        raise Refusal("setup_refused", "this server is the DTLS server: answer a=setup:active")
    return _remote(tagged)


def _tagged(session: Session, used: list[Section]) -> Section:
    """Find the m-line that speaks for the one transport: the first of the BUNDLE group."""
    if not used:
        raise Refusal("ice_missing", "no m-line in use")
    bundled = session.bundled
    if len(used) > 1 and any(media.mid not in bundled for media in used):
        raise Refusal("bundle_required", "all m-lines have to share one BUNDLE group")
    if not all(media.rtcp_mux or media.kind == "application" for media in used):
        raise Refusal("rtcp_mux_required", "each m-line needs a=rtcp-mux")
    return (
        next((media for media in used if media.mid == bundled[0]), used[0]) if bundled else used[0]
    )


def _remote(tagged: Section) -> RemoteParameters:
    checked = credentials(tagged.ice_ufrag, tagged.ice_pwd)
    fingerprints = [text for text in tagged.fingerprints if _is_fingerprint(text)]
    if not fingerprints:
        raise _no_fingerprint(tagged.fingerprints)
    return RemoteParameters(checked.ufrag, checked.pwd, fingerprints[:8])


def _no_fingerprint(offered: list[str]) -> Refusal:
    weak = {name for text in offered if (name := text.partition(" ")[0]) in _WEAK_HASHES}
    if weak:
        named = ", ".join(sorted(weak))
        return Refusal(
            "fingerprint_weak", f"{named} alone does not do: offer a=fingerprint:sha-256"
        )
    return Refusal("fingerprint_missing", "no a=fingerprint of a known hash such as sha-256")


def _is_fingerprint(text: str) -> bool:
    found = _FINGERPRINT.fullmatch(text)
    if found is None or found[1] not in _DIGEST_BYTES:
        return False
    return len(found[2]) == 3 * _DIGEST_BYTES[found[1]] - 1
