"""Parse SDP (RFC 8866) as WebRTC writes it (RFC 8829): hostile text in, a typed session out.

The meaning of attributes that nothing here uses is ignored; the others are parsed once, here.
"""

import itertools
import re
from collections.abc import Callable

import msgspec

MAX_BYTES = 64 * 1024
MAX_LINES = 4_000
MAX_MEDIA = 64
MAX_SECTION_LINES = 600  # a browser's longest section has about 150

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_TOKEN = re.compile(r"[!-~]{1,256}")
_RID = re.compile(r"[A-Za-z0-9_-]{1,255}")
_RTPMAP = re.compile(r"(\d{1,3}) +([!-.0-~]{1,64})/(\d{1,7})(?:/(\d{1,3}))? *$", re.ASCII)
_EXTMAP = re.compile(r"(\d{1,4})(?:/\w+)? +([!-~]{1,256})(?: |$)", re.ASCII)
_SETUPS = frozenset(("actpass", "active", "passive", "holdconn"))


class SdpError(ValueError):
    """The text is no SDP that can be understood: at which line, and why."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")
        self.line = line
        self.why = why


class Codec(msgspec.Struct, frozen=True):
    """One payload type of an m-line: rtpmap, fmtp and rtcp-fb together."""

    payload_type: int
    name: str
    clock_rate: int
    channels: int
    fmtp: str
    parameters: dict[str, str]
    feedback: tuple[str, ...]


class Rid(msgspec.Struct, frozen=True):
    """One ``a=rid`` (RFC 8851)."""

    rid: str
    direction: str
    restrictions: str


class Section(msgspec.Struct):
    """The session part, or one m-line with its attributes; ``line`` is where it begins."""

    line: int = 1
    kind: str = ""
    port: int = 0
    protocol: str = ""
    formats: list[str] = []
    mid: str = ""
    direction: str = ""
    ice_ufrag: str = ""
    ice_pwd: str = ""
    ice_lite: bool = False
    setup: str = ""
    rtcp_mux: bool = False
    bundle_only: bool = False
    mixed_extensions: bool = False
    end_of_candidates: bool = False
    fingerprints: list[str] = []
    groups: list[tuple[str, list[str]]] = []
    candidates: list[str] = []
    extensions: dict[str, int] = {}
    msid: list[tuple[str, str]] = []
    rids: dict[str, Rid] = {}
    simulcast: dict[str, list[str]] = {}
    ssrcs: dict[int, dict[str, str]] = {}
    ssrc_groups: list[tuple[str, list[int]]] = []
    rtpmaps: dict[str, tuple[str, int, int]] = {}
    fmtps: dict[str, str] = {}
    feedbacks: dict[str, list[str]] = {}

    @property
    def rejected(self) -> bool:
        """Whether the m-line is off: port zero, and not merely bundled (RFC 8843 section 6)."""
        return self.port == 0 and not self.bundle_only

    def codecs(self) -> list[Codec]:
        """List the codecs in the order of preference of the m-line."""
        common = self.feedbacks.get("*", [])
        return [
            Codec(
                int(payload_type),
                *self.rtpmaps[payload_type],
                fmtp=(fmtp := self.fmtps.get(payload_type, "")),
                parameters=parse_parameters(fmtp),
                feedback=(*self.feedbacks.get(payload_type, ()), *common),
            )
            for payload_type in self.formats
            if payload_type in self.rtpmaps
        ]


class Session(msgspec.Struct):
    """A whole description: origin, session part, m-lines in order."""

    origin: str
    common: Section
    media: list[Section]

    @property
    def bundled(self) -> list[str]:
        """The mids of the BUNDLE group (RFC 8843), empty without one."""
        return next((mids for name, mids in self.common.groups if name == "BUNDLE"), [])


def parse_parameters(fmtp: str) -> dict[str, str]:
    """Split format parameters, ``a=1;b=2``, into a table with keys in lower case."""
    table = {}
    for part in fmtp.split(";"):
        key, equals, value = part.partition("=")
        if equals:
            table[key.strip().lower()] = value.strip()
    return table


def parse(text: str) -> Session:
    """Parse one session description; raise ``SdpError`` with the line at fault."""
    lines = _lines(text)
    if lines[0] != "v=0":
        raise SdpError(1, "a session description begins with v=0")
    session = Session("", Section(), [])
    section = session.common
    handlers = _HANDLERS
    number = 0
    try:
        for number, line in enumerate(lines, 1):
            kind = line[:2]
            if kind == "a=":
                name, _, value = line[2:].partition(":")
                if (handler := handlers.get(name)) is not None:
                    handler(section, value)
            elif kind == "m=":
                section = _media(line[2:], number)
                session.media.append(section)
            elif kind == "o=":
                session.origin = line[2:]
            elif line[1:2] != "=" or line[0] not in "vsiuepcbtrzk":
                raise ValueError("not a line of SDP")
    except ValueError as error:
        raise SdpError(number, str(error)) from None
    return _finished(session, len(lines))


def _lines(text: str) -> list[str]:
    if len(text) > MAX_BYTES:
        raise SdpError(0, f"longer than {MAX_BYTES} bytes")
    if found := _CONTROL.search(text):
        raise SdpError(text.count("\n", 0, found.start()) + 1, "a control character")
    lines = text.replace("\r\n", "\n").rstrip("\n").split("\n")
    if len(lines) > MAX_LINES:
        raise SdpError(MAX_LINES, f"more than {MAX_LINES} lines")
    return lines


def _finished(session: Session, lines: int) -> Session:
    """Let m-lines inherit what the session part says for all (RFC 8839, RFC 8122, RFC 4145)."""
    common = session.common
    if not session.origin:
        raise SdpError(1, "no o= line")
    if len(session.media) > MAX_MEDIA:
        raise SdpError(session.media[MAX_MEDIA].line, f"more than {MAX_MEDIA} m-lines")
    begins = [1, *(media.line for media in session.media), lines + 1]
    for begin, end in itertools.pairwise(begins):
        if end - begin > MAX_SECTION_LINES:
            raise SdpError(begin, f"a section of more than {MAX_SECTION_LINES} lines")
    seen = set()
    for media in session.media:
        media.ice_ufrag = media.ice_ufrag or common.ice_ufrag
        media.ice_pwd = media.ice_pwd or common.ice_pwd
        media.setup = media.setup or common.setup
        media.direction = media.direction or common.direction or "sendrecv"
        media.fingerprints = media.fingerprints or common.fingerprints
        if media.mid and media.mid in seen:
            raise SdpError(media.line, f"mid {media.mid} is used twice")
        seen.add(media.mid)
    return session


def _number(text: str, highest: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise ValueError(f"{text[:20]!r} is no number")
    value = int(text)
    if value > highest:
        raise ValueError(f"{value} is above {highest}")
    return value


def _token(text: str) -> str:
    if _TOKEN.fullmatch(text) is None:
        raise ValueError(f"{text[:20]!r} is no token")
    return text


def _media(value: str, line: int) -> Section:
    parts = value.split()
    if not 4 <= len(parts) <= 131:
        raise ValueError("an m-line has kind, port, protocol and 1 to 128 formats")
    kind, port, protocol, *formats = parts
    return Section(line, kind, _number(port, 65535), protocol, formats)


def _rtpmap(section: Section, value: str) -> None:
    found = _RTPMAP.match(value)
    if found is None or int(found[1]) > 127:
        raise ValueError("a=rtpmap has a payload type and an encoding")
    section.rtpmaps[found[1]] = (found[2], int(found[3]), int(found[4] or 1))


def _fmtp(section: Section, value: str) -> None:
    payload_type, _, parameters = value.partition(" ")
    section.fmtps[payload_type] = parameters.strip()


def _rtcp_fb(section: Section, value: str) -> None:
    payload_type, _, feedback = value.partition(" ")
    section.feedbacks.setdefault(payload_type, []).append(feedback.strip())


def _extmap(section: Section, value: str) -> None:
    found = _EXTMAP.match(value)
    if found is None:
        raise ValueError("a=extmap has an id and a URI")
    identifier = int(found[1])
    if 1 <= identifier <= 255:  # above: alternatives that are not in use yet (RFC 8285 section 6)
        section.extensions[found[2]] = identifier


def _ssrc(section: Section, value: str) -> None:
    ssrc, _, attribute = value.partition(" ")
    name, _, detail = attribute.partition(":")
    section.ssrcs.setdefault(_number(ssrc, 0xFFFFFFFF), {})[name] = detail


def _ssrc_group(section: Section, value: str) -> None:
    semantics, *ssrcs = value.split()
    section.ssrc_groups.append((semantics, [_number(ssrc, 0xFFFFFFFF) for ssrc in ssrcs]))


def _rid(section: Section, value: str) -> None:
    parts = value.split(None, 2)
    if len(parts) < 2 or parts[1] not in ("send", "recv") or not _RID.fullmatch(parts[0]):
        raise ValueError("a=rid has a name and a direction")
    section.rids[parts[0]] = Rid(parts[0], parts[1], parts[2] if len(parts) > 2 else "")


def _simulcast(section: Section, value: str) -> None:
    """Keep the first alternative of each stream, paused or not (RFC 8853 section 5.1)."""
    parts = value.split()
    if len(parts) not in (2, 4):
        raise ValueError("a=simulcast has a direction and its streams")
    for direction, streams in zip(parts[::2], parts[1::2], strict=True):
        rids = [stream.partition(",")[0].lstrip("~") for stream in streams.split(";")]
        if direction not in ("send", "recv") or not all(_RID.fullmatch(rid) for rid in rids):
            raise ValueError("a=simulcast has a direction and its streams")
        section.simulcast[direction] = rids


def _msid(section: Section, value: str) -> None:
    stream, _, track = value.strip().partition(" ")
    section.msid.append((_token(stream), track.strip()[:256]))


def _mid(section: Section, value: str) -> None:
    section.mid = _token(value.strip())


def _group(section: Section, value: str) -> None:
    name, *mids = value.split() or [""]
    section.groups.append((name, mids))


def _fingerprint(section: Section, value: str) -> None:
    algorithm, _, digest = value.strip().partition(" ")
    section.fingerprints.append(f"{algorithm.lower()} {digest.strip().upper()}")


def _setup(section: Section, value: str) -> None:
    if value not in _SETUPS:
        raise ValueError(f"a=setup:{value[:20]}")
    section.setup = value


def _candidate(section: Section, value: str) -> None:
    section.candidates.append(value)


def _ice_ufrag(section: Section, value: str) -> None:
    section.ice_ufrag = _token(value)


def _ice_pwd(section: Section, value: str) -> None:
    section.ice_pwd = _token(value)


def _direction(name: str) -> Callable[[Section, str], None]:
    def mark(section: Section, _value: str) -> None:
        section.direction = name

    return mark


def _flag(name: str) -> Callable[[Section, str], None]:
    def mark(section: Section, _value: str) -> None:
        setattr(section, name, True)

    return mark


_HANDLERS: dict[str, Callable[[Section, str], None]] = {
    "rtpmap": _rtpmap,
    "fmtp": _fmtp,
    "rtcp-fb": _rtcp_fb,
    "extmap": _extmap,
    "ssrc": _ssrc,
    "ssrc-group": _ssrc_group,
    "rid": _rid,
    "simulcast": _simulcast,
    "msid": _msid,
    "mid": _mid,
    "group": _group,
    "fingerprint": _fingerprint,
    "setup": _setup,
    "candidate": _candidate,
    "ice-ufrag": _ice_ufrag,
    "ice-pwd": _ice_pwd,
    "ice-lite": _flag("ice_lite"),
    "rtcp-mux": _flag("rtcp_mux"),
    "bundle-only": _flag("bundle_only"),
    "extmap-allow-mixed": _flag("mixed_extensions"),
    "end-of-candidates": _flag("end_of_candidates"),
    **{name: _direction(name) for name in ("sendrecv", "sendonly", "recvonly", "inactive")},
}
