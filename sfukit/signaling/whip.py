"""The HTTP rules that WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep-04) share."""

from collections.abc import Mapping

from sfukit.signaling import sdpfrag
from sfukit.signaling.refusal import Refusal

SDP_TYPE = "application/sdp"
ALLOWED_HEADERS = "Authorization, Content-Type, If-Match, traceparent"


def require_sdp(content_type: str) -> None:
    """Refuse a body that is no SDP (RFC 9725 section 4.2)."""
    if content_type != SDP_TYPE:
        raise Refusal(
            "content_type",
            f"the offer has to be {SDP_TYPE}, not {content_type[:64]}: "
            f"curl -H 'Content-Type: {SDP_TYPE}' --data-binary @offer.sdp URL",
        )


def require_fragment(content_type: str) -> None:
    """Refuse a body that is no ICE fragment (RFC 9725 section 4.3.1)."""
    if content_type != sdpfrag.CONTENT_TYPE:
        raise Refusal(
            "content_type", f"candidates have to be {sdpfrag.CONTENT_TYPE}, not {content_type}"
        )


def is_restart(if_match: str | None, etag: str) -> bool:
    """Read ``If-Match``: ``*`` requests an ICE restart, else it has to be the current ETag.

    The star may be quoted (RFC 9725 section 4.3.1, RFC 9110 section 13.1.1).
    """
    if if_match is None:
        raise Refusal(
            "etag_missing", "If-Match is needed: the ETag of the session, or * to restart"
        )
    tags = [tag.strip() for tag in if_match.split(",")]
    if tags in (["*"], ['"*"']):
        return True
    if etag not in tags:
        raise Refusal("etag_stale", f"the session's tag is {etag} by now")
    return False


def preflight(methods: str, accepted: Mapping[str, str]) -> dict[str, str]:
    """Write the headers of an answer to OPTIONS (RFC 9725 section 4.6, Fetch)."""
    return {
        "Allow": methods,
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Allow-Headers": ALLOWED_HEADERS,
        "Access-Control-Max-Age": "86400",
        **accepted,
    }


def ice_server_link(url: str, username: str | None, credential: str | None) -> str:
    """Write a ``Link`` to a STUN or TURN server (RFC 9725 section 4.6)."""
    parts = [f'<{url}>; rel="ice-server"']
    if username is not None and credential is not None:
        parts += [
            f"username={_quoted(username)}",
            f"credential={_quoted(credential)}",
            'credential-type="password"',
        ]
    return "; ".join(parts)


def _quoted(text: str) -> str:
    """Write a quoted-string (RFC 9110 section 5.6.4)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
