"""The grammar of the SDP lines that sfukit writes: an oracle independent of the code."""

import re

from tests.unit.signaling.descriptions import FINGERPRINT, LOCAL

_TOKEN = r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]{1,256}"
_MIDS = rf"{_TOKEN}(?: {_TOKEN})*"
_URIS = "|".join(
    re.escape(uri)
    for uri in (
        "urn:ietf:params:rtp-hdrext:sdes:mid",
        "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
        "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
        "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "urn:3gpp:video-orientation",
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
        "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
    )
)
_RID = r"[A-Za-z0-9_-]{1,16}"
_SAFE = rf"{_TOKEN}=[!-:<-~]{{1,256}}"
_SENT = (
    r"(?:minptime=\d{1,3}|(?:useinbandfec|usedtx|stereo|sprop-stereo)=[01]|profile-id=[0-3]"
    r"|level-asymmetry-allowed=1|packetization-mode=[012]|profile-level-id=[0-9a-f]{6}"
    r"|profile=[0-2]|tier=[01]|level-idx=\d{1,2})"
)
_OURS = (
    r"v=0",
    r"o=- 1 \d+ IN IP4 127\.0\.0\.1",
    r"s=-",
    r"t=0 0",
    r"c=IN IP4 0\.0\.0\.0",
    r"b=TIAS:\d+",
    r"a=group:BUNDLE",
    rf"a=group:BUNDLE {_MIDS}",
    r"a=ice-lite|a=extmap-allow-mixed|a=msid-semantic:WMS \*|a=rtcp-mux|a=rtcp-rsize",
    r"a=sendonly|a=recvonly|a=inactive",
    rf"m=(?:audio|video) 9 {_TOKEN}(?:/{_TOKEN})* \d{{1,3}}(?: \d{{1,3}})?",
    rf"m={_TOKEN} 0 {_TOKEN}(?:/{_TOKEN})* {_TOKEN}(?: \d{{1,3}})?",
    rf"a=mid:{_TOKEN}",
    re.escape(f"a=ice-ufrag:{LOCAL.credentials.ufrag}"),
    re.escape(f"a=ice-pwd:{LOCAL.credentials.pwd}"),
    re.escape(f"a=fingerprint:{FINGERPRINT}"),
    r"a=setup:(?:actpass|active|passive)",
    *(re.escape(line) for line in LOCAL.candidates.splitlines()),
    rf"a=extmap:(?:[1-9]|1[0-4]|1[6-9]|[2-9]\d|1\d\d|2[0-4]\d|25[0-5]) (?:{_URIS})",
    r"a=rtpmap:\d{1,3} (?:opus/48000/2|(?:VP8|VP9|H264|AV1|rtx)/90000)",
    r"a=rtcp-fb:\d{1,3} (?:nack|nack pli|ccm fir|transport-cc|goog-remb)",
    r"a=fmtp:\d{1,3} apt=\d{1,3}",
    rf"a=rid:{_RID} recv",
    rf"a=simulcast:recv {_RID}(?:;{_RID}){{0,3}}",
    r"a=msid:s\d+-\d+ p\d+",
    r"a=ssrc-group:FID \d{1,10} \d{1,10}",
    r"a=ssrc:\d{1,10} cname:c\d+",
)
_ANSWER_TO_PUBLISHER = re.compile("|".join((*_OURS, rf"a=fmtp:\d{{1,3}} {_SAFE}(?:;{_SAFE})*")))
_TO_SUBSCRIBER = re.compile("|".join((*_OURS, rf"a=fmtp:\d{{1,3}} {_SENT}(?:;{_SENT})*")))


def foreign_lines(text: str, *, to_subscriber: bool) -> list[str]:
    """List what is not a line of ours; subscribers get no parameter as the publisher wrote it."""
    grammar = _TO_SUBSCRIBER if to_subscriber else _ANSWER_TO_PUBLISHER
    lines = text.removesuffix("\r\n").split("\r\n")
    found = [line for line in lines if grammar.fullmatch(line) is None]
    if text.splitlines() != lines or not text.isascii() or not text.endswith("\r\n"):
        found.append("an end of line other than CRLF")
    return found
