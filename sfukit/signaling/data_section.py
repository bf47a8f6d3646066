"""The m-line of data channels (RFC 8841): which offers of one are accepted, and its text."""

from sfukit.signaling.sdp import Section

MAX_MESSAGE_BYTES = 256 * 1024
"""The longest message that the server takes (``a=max-message-size``)."""

PROTOCOL = "UDP/DTLS/SCTP"
FORMAT = "webrtc-datachannel"
_DEFAULT_PEER_BYTES = 64 * 1024  # RFC 8841 section 6.1
_PROTOCOLS = (PROTOCOL, "TCP/DTLS/SCTP")
_PORT = 5000


def is_data_channels(media: Section) -> bool:
    """Return whether an m-line is in use and of data channels with the ports that browsers use.

    The port of SCTP is 5000 on both sides: other numbers occur in drafts only, which describe it by
    ``a=sctpmap``.
    """
    return (
        not media.rejected
        and media.kind == "application"
        and media.protocol in _PROTOCOLS
        and FORMAT in media.formats
        and media.sctp_port == _PORT
    )


def peer_message_bytes(media: Section) -> int:
    """Return the longest message that a peer takes; 0 in SDP is any length."""
    offered = media.max_message_size
    if offered is None:
        return _DEFAULT_PEER_BYTES
    return min(offered, MAX_MESSAGE_BYTES) if offered else MAX_MESSAGE_BYTES


def data_lines(mid: str, transport: str, protocol: str = PROTOCOL) -> str:
    """Write the m-line; ``transport`` are its attributes of ICE and DTLS."""
    line_mid = f"a=mid:{mid}\r\n" if mid else ""
    return (
        f"m=application 9 {protocol} {FORMAT}\r\nc=IN IP4 0.0.0.0\r\n{line_mid}{transport}"
        f"a=sctp-port:{_PORT}\r\na=max-message-size:{MAX_MESSAGE_BYTES}\r\n"
    )
