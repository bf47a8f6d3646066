"""Session descriptions to test with, whole or line by line."""

import ipaddress
from pathlib import Path

from sfukit.signaling import sdp
from sfukit.signaling.candidates import host_lines
from sfukit.signaling.transport import Credentials, LocalTransport

FIXTURES = Path(__file__).parents[2] / "fixtures"
FINGERPRINT = "sha-256 " + ":".join(["AB"] * 32)
LOCAL = LocalTransport(
    Credentials("localfrag123", "p" * 32),
    FINGERPRINT,
    host_lines([ipaddress.ip_address("192.0.2.7"), ipaddress.ip_address("127.0.0.1")], 7081),
)


def text_of(name: str) -> str:
    """A recorded description."""
    return (FIXTURES / f"{name}.sdp").read_bytes().decode()


def offer_of(*media: str, setup: str = "actpass", bundle: bool = True, **changes: str) -> str:
    """Write an offer around m-lines given as their own attributes; ``{n}`` is the mid."""
    mids = " ".join(str(number) for number in range(len(media)))
    head = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
    group = f"a=group:BUNDLE {mids}\r\n" if bundle else ""
    ufrag, pwd = changes.get("ufrag", "abcd"), changes.get("pwd", "x" * 24)
    transport = (
        f"a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\n"
        f"a=fingerprint:{changes.get('fingerprint', FINGERPRINT)}\r\na=setup:{setup}\r\n"
    )
    sections = [
        f"{lines}a=mid:{number}\r\n{changes.get('mux', 'a=rtcp-mux')}\r\n"
        for number, lines in enumerate(media)
    ]
    return head + group + transport + "".join(sections)


def video(codec: str = "VP8/90000", fmtp: str = "", direction: str = "sendonly") -> str:
    """An m-line of video with one codec."""
    parameters = f"a=fmtp:96 {fmtp}\r\n" if fmtp else ""
    return f"m=video 9 UDP/TLS/RTP/SAVPF 96\r\na={direction}\r\na=rtpmap:96 {codec}\r\n{parameters}"


def audio(fmtp: str = "", direction: str = "sendonly") -> str:
    """An m-line of Opus."""
    parameters = f"a=fmtp:111 {fmtp}\r\n" if fmtp else ""
    return (
        "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
        f"a={direction}\r\na=rtpmap:111 opus/48000/2\r\n{parameters}"
    )


def answer_to(offer: str, *, reject: frozenset[str] = frozenset(), setup: str = "active") -> str:
    """Answer an offer of ours as a browser does: receive everything but the rejected mids."""
    session = sdp.parse(offer)
    live = [media.mid for media in session.media if not media.rejected and media.mid not in reject]
    lines = ["v=0", "o=- 7 1 IN IP4 127.0.0.1", "s=-", "t=0 0", f"a=group:BUNDLE {' '.join(live)}"]
    for media in session.media:
        off = media.mid not in live
        lines.append(f"m={media.kind} {0 if off else 9} {media.protocol} {' '.join(media.formats)}")
        lines += ["c=IN IP4 0.0.0.0", f"a=mid:{media.mid}"]
        receives = media.direction == "sendonly" and not off
        lines.append("a=recvonly" if receives else "a=inactive")
        if off:
            continue
        lines += ["a=ice-ufrag:wxyz", f"a=ice-pwd:{'y' * 24}", f"a=fingerprint:{FINGERPRINT}"]
        lines += [f"a=setup:{setup}", "a=rtcp-mux"]
        if media.sctp_port is not None:
            lines.append(f"a=sctp-port:{media.sctp_port}")
        for number, (name, rate, channels) in media.rtpmaps.items():
            lines.append(
                f"a=rtpmap:{number} {name}/{rate}" + (f"/{channels}" if channels > 1 else "")
            )
    return "\r\n".join(lines) + "\r\n"
