"""The transport part of a description: ICE, DTLS, BUNDLE (RFC 8839, RFC 8842, RFC 8843)."""

import re
from typing import Literal

import msgspec

from sfukit.signaling.refusal import Refusal
from sfukit.signaling.sdp import Section, Session

_DIGEST_BYTES = {"sha-224": 28, "sha-256": 32, "sha-384": 48, "sha-512": 64}
# Hashes with practical collisions (RFC 8122 section 5 forbids the last two).
_WEAK_HASHES = {"sha-1", "md5", "md2"}
_FINGERPRINT = re.compile(r"(sha-\d+) ([0-9A-F]{2}(?::[0-9A-F]{2})*)")
_ICE_CHARS = re.compile(r"[A-Za-z0-9+/]+")
Setup = Literal["active", "passive"]
"""Which end sends the ClientHello: the active one is the DTLS client (RFC 8842 section 5)."""


class Credentials(msgspec.Struct, frozen=True):
    """ICE user fragment and password (RFC 8445 section 5.3)."""

    ufrag: str
    pwd: str


class RemoteParameters(msgspec.Struct, frozen=True):
    """A peer's ICE credentials, fingerprints and DTLS ``setup``."""

    ufrag: str
    pwd: str
    fingerprints: list[str]
    setup: Setup = "active"

    def with_credentials(self, renewed: Credentials) -> "RemoteParameters":
        """Return the peer's side after an ICE restart, which DTLS survives."""
        return msgspec.structs.replace(self, ufrag=renewed.ufrag, pwd=renewed.pwd)

    @property
    def our_setup(self) -> Setup:
        """The server's ``a=setup``, which follows from the peer's."""
        return "passive" if self.setup == "active" else "active"


class LocalTransport(msgspec.Struct, frozen=True):
    """The server's side of a transport; ``candidates`` are SDP lines, shared by all transports."""

    credentials: Credentials
    fingerprint: str
    candidates: str
    setup: Literal["actpass"] | Setup = "actpass"

    def facing(self, remote: RemoteParameters) -> "LocalTransport":
        """Return the transport for an answer: with the DTLS role opposite to the peer's."""
        return msgspec.structs.replace(self, setup=remote.our_setup)

    def lines(self) -> str:
        """Write the attributes of an m-line that belong to the transport."""
        return (
            f"a=ice-ufrag:{self.credentials.ufrag}\r\n"
            f"a=ice-pwd:{self.credentials.pwd}\r\n"
            f"a=fingerprint:{self.fingerprint}\r\n"
            f"a=setup:{self.setup}\r\n"
        )


def credentials(ufrag: str, pwd: str) -> Credentials:
    """Check ICE credentials against the grammar (RFC 8839 section 5.4)."""
    if not (4 <= len(ufrag) <= 256 and _ICE_CHARS.fullmatch(ufrag)):
        raise Refusal("ice_missing", "ice-ufrag is missing, too short or not of ice-chars")
    if not (22 <= len(pwd) <= 256 and _ICE_CHARS.fullmatch(pwd)):
        raise Refusal("ice_missing", "ice-pwd is missing, too short or not of ice-chars")
    return Credentials(ufrag, pwd)


def remote_of_offer(session: Session, before: RemoteParameters | None = None) -> RemoteParameters:
    """Return the peer's transport parameters of an offer; raise ``Refusal``.

    ``before`` are the parameters of the last negotiation: with the same fingerprints the DTLS
    association continues, with its roles (RFC 8842 section 5.3). For actpass the peer is the DTLS
    client.
    """
    tagged = _tagged(session)
    fingerprints = _fingerprints(tagged)
    if before is not None and before.fingerprints != fingerprints:
        before = None
    setup = _setup_of_offer(tagged.setup, before)
    return _remote(tagged, fingerprints, setup, before)


def remote_of_answer(session: Session, before: RemoteParameters | None = None) -> RemoteParameters:
    """Return the peer's transport parameters of an answer to actpass (RFC 8842 section 5.3)."""
    tagged = _tagged(session)
    return _remote(tagged, _fingerprints(tagged), _setup_of_answer(tagged.setup), before)


def _setup_of_offer(setup: str, before: RemoteParameters | None) -> Setup:
    match setup:
        case "active" | "":  # RFC 4145 section 4: an offer without a=setup is active
            return "active"
        case "passive":
            return "passive"
        case "actpass":
            return before.setup if before is not None else "active"
    raise Refusal(
        "setup_refused", f"offer a=setup:actpass, active or passive: {setup} connects nothing"
    )


def _setup_of_answer(setup: str) -> Setup:
    match setup:
        case "active":
            return "active"
        case "passive" | "":  # RFC 4145 section 4: an answer without a=setup is passive
            return "passive"
        case "actpass":
            raise Refusal(
                "setup_refused", "an answer chooses: a=setup:active or passive, not actpass"
            )
    raise Refusal("setup_refused", f"answer a=setup:active or passive: {setup} connects nothing")


def _tagged(session: Session) -> Section:
    """Return the tagged m-line: the first of the BUNDLE group."""
    used = [media for media in session.media if not media.rejected]
    if not used:
        raise Refusal("ice_missing", "no m-line in use")
    bundled = session.bundled
    if len(used) > 1 and any(media.mid not in bundled for media in used):
        raise Refusal(
            "bundle_required",
            "there is one transport for all m-lines: give each an a=mid and name all of them in "
            "one a=group:BUNDLE (a browser: bundlePolicy max-bundle)",
        )
    # the transport attributes are in the tagged m-line (RFC 9143 section 7.1.3)
    by_mid = {media.mid: media for media in used if media.mid and not media.bundle_only}
    tagged = next((by_mid[mid] for mid in bundled if mid in by_mid), used[0])
    speaking = used if tagged.kind == "application" else [tagged]
    rtp = [media for media in speaking if media.kind != "application"]
    if rtp and not any(media.rtcp_mux for media in rtp):
        raise Refusal("rtcp_mux_required", "the m-lines need a=rtcp-mux")
    return tagged


def _remote(
    tagged: Section, fingerprints: list[str], setup: Setup, before: RemoteParameters | None
) -> RemoteParameters:
    checked = credentials(tagged.ice_ufrag, tagged.ice_pwd)
    # RFC 8842 section 3.1: other roles would need another DTLS association
    if before is not None and before.setup != setup:
        raise Refusal(
            "setup_refused",
            f"the DTLS association goes on with a=setup:{before.setup} of yours, not {setup}: "
            "its roles change with a new peer connection only",
        )
    return RemoteParameters(checked.ufrag, checked.pwd, fingerprints, setup)


def _fingerprints(tagged: Section) -> list[str]:
    fingerprints = [text for text in tagged.fingerprints if _is_fingerprint(text)]
    if not fingerprints:
        raise _no_fingerprint(tagged.fingerprints)
    return fingerprints[:8]


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
