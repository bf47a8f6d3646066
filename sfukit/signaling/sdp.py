"""Parse SDP (RFC 8866) of WebRTC (RFC 8829): untrusted text to a typed session.

Unused attributes are ignored; the others are parsed once, here.
"""

import itertools
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from sfukit.signaling import format_parameters, grammar
from sfukit.signaling.grammar import MAX_BYTES, TOKEN_CHARACTERS, SdpError

__all__ = ["MAX_BYTES", "Codec", "Rid", "SdpError", "Section", "Session", "parse"]

MAX_LINES = 4_000
MAX_MEDIA = 64
MAX_SECTION_LINES = 600  # a browser's longest section has about 150

# Lines that differ between sessions or m-lines. The other lines of an m-line are the same in the
# descriptions of all clients of one kind.
_OWN = (
    *("a=mid:", "a=ice-", "a=fingerprint:", "a=candidate:", "a=group:"),
    *("a=ssrc", "a=msid:", "a=rtcp:", "c="),
)
_TRANSPORT = ("a=ice-", "a=fingerprint:")  # the same in bundled m-lines
_BLOCK_FIELDS = (
    *("direction", "setup", "rtcp_mux", "bundle_only", "mixed_extensions", "end_of_candidates"),
    *("extensions", "rids", "simulcast", "rtpmaps", "fmtps", "parameters", "feedbacks"),
    *("sctp_port", "max_message_size"),
)
_OTHER_LINES = frozenset("vsiuepcbtrzk")
_LONGEST_BLOCK = 8 * 1024  # characters
_MAX_BLOCKS = 128
_LONGEST_MEDIA_LINE = 512

_VISIBLE = re.compile(r"[!-~]{1,256}")
_RID = re.compile(r"[A-Za-z0-9_-]{1,255}")
_RTPMAP = re.compile(
    rf"(\d{{1,3}}) +([{TOKEN_CHARACTERS}]{{1,64}})/(\d{{1,7}})(?:/(\d{{1,3}}))?", re.ASCII
)
_EXTMAP = re.compile(r"(\d{1,4})(?:/\w+)? +([!-~]{1,256})(?: |$)", re.ASCII)
_SETUPS = frozenset(("actpass", "active", "passive", "holdconn"))


class Codec(msgspec.Struct, frozen=True):
    """One payload type of an m-line: rtpmap, fmtp and rtcp-fb together."""

    payload_type: int
    name: str
    clock_rate: int
    channels: int
    fmtp: str
    parameters: dict[str, str]
    feedback: tuple[str, ...]

    def __hash__(self) -> int:
        return hash((self.payload_type, self.name, self.fmtp))  # ``fmtp``: the same as parameters


class Rid(msgspec.Struct, frozen=True):
    """One ``a=rid`` (RFC 8851)."""

    rid: str
    direction: str


class Section(msgspec.Struct):
    """The session part, or one m-line with its attributes; ``line`` is its first line."""

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
    ssrcs: list[int] = []
    ssrc_groups: list[tuple[str, list[int]]] = []
    rtpmaps: dict[str, tuple[str, int, int]] = {}
    fmtps: dict[str, str] = {}
    parameters: dict[str, dict[str, str]] = {}
    feedbacks: dict[str, list[str]] = {}
    sctp_port: int | None = None
    max_message_size: int | None = None

    @property
    def rejected(self) -> bool:
        """Whether the m-line is rejected: port zero, and not bundle-only (RFC 8843 section 6)."""
        return self.port == 0 and not self.bundle_only

    def feedback_of(self, payload_type: int | str) -> tuple[str, ...]:
        """List the RTCP feedback of a payload type (RFC 4585 section 4.2)."""
        return (*self.feedbacks.get(str(payload_type), ()), *self.feedbacks.get("*", ()))

    def codecs(self) -> list[Codec]:
        """List the codecs in the order of preference of the m-line."""
        return [
            Codec(
                int(payload_type),
                *self.rtpmaps[payload_type],
                fmtp=self.fmtps.get(payload_type, ""),
                parameters=self.parameters.get(payload_type, {}),
                feedback=self.feedback_of(payload_type),
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

    @property
    def mixed_extensions(self) -> bool:
        """Whether header extensions of both forms may be mixed everywhere (RFC 8285 section 6)."""
        used = [media for media in self.media if not media.rejected]
        everywhere = bool(used) and all(media.mixed_extensions for media in used)
        return self.common.mixed_extensions or everywhere


def parse(text: str) -> Session:
    """Parse one session description; raise ``SdpError`` with the line at fault."""
    lines = grammar.split_lines(text, MAX_LINES)
    if next(filter(None, lines), "") != "v=0":
        raise SdpError(1, "a session description begins with v=0")
    try:
        session = _assemble(lines)
    except ValueError:
        session = _read(lines)  # the error is found again, with its line
    return _finished(session, len(lines))


def _read(lines: list[str]) -> Session:
    """Read line by line."""
    session = Session("", Section(), [])
    section = session.common
    number = 0
    try:
        for number, line in enumerate(lines, 1):
            if line.startswith("m="):
                section = _media(line, number)
                session.media.append(section)
            elif line.startswith("o="):
                session.origin = line[2:]
            else:
                _read_line(section, line)
    except ValueError as error:
        raise SdpError(number, str(error)) from None
    return session


def _read_line(section: Section, line: str) -> None:
    """Read a line that is neither m= nor o=; raise ValueError."""
    if line.startswith("a="):
        name, _, value = line[2:].partition(":")
        if (handler := _HANDLERS.get(name)) is not None:
            handler(section, value.strip(" \t"))
    elif line and (line[1:2] != "=" or line[0] not in _OTHER_LINES):
        raise ValueError("not a line of SDP")


def _assemble(lines: list[str]) -> Session:
    """Read m-line by m-line, reusing the results for lines read before; raise ValueError."""
    begins = [number for number, line in enumerate(lines) if line.startswith("m=")]
    session = _read(lines[: begins[0]] if begins else lines)
    bundled: list[str] = []
    transport = session.common
    for begin, end in itertools.pairwise((*begins, len(lines))):
        section = _media(lines[begin], begin + 1)
        session.media.append(section)
        others, of_transport = [], []
        for line in lines[begin + 1 : end]:
            if not line.startswith(_OWN):
                others.append(line)
            elif line.startswith(_TRANSPORT):
                of_transport.append(line)
            else:
                _read_line(section, line)
        if of_transport != bundled:
            bundled, transport = of_transport, section
            for line in of_transport:
                _read_line(section, line)
        elif of_transport:
            section.ice_ufrag, section.ice_pwd = transport.ice_ufrag, transport.ice_pwd
            section.ice_lite = transport.ice_lite
            section.fingerprints = transport.fingerprints.copy()
        read = _block if sum(map(len, others)) <= _LONGEST_BLOCK else _block.__wrapped__
        read(tuple(others)).copy_to(section)
    return session


class _Block(NamedTuple):
    """The attributes of lines, by field of ``Section``; absent ones were not set."""

    texts: list[tuple[str, str | bool | int]]
    tables: list[tuple[str, dict[str, Any]]]
    lists: list[tuple[str, dict[str, list[str]]]]

    def copy_to(self, section: Section) -> None:
        for name, text in self.texts:
            setattr(section, name, text)
        for name, table in self.tables:
            setattr(section, name, table.copy())
        for name, lists in self.lists:
            setattr(section, name, {key: entries.copy() for key, entries in lists.items()})


@lru_cache(maxsize=_MAX_BLOCKS)
def _block(lines: tuple[str, ...]) -> _Block:
    """Read lines of an m-line, without those of ``_OWN``; raise ValueError."""
    section = Section()
    for line in lines:
        _read_line(section, line)
    block = _Block([], [], [])
    for name in _BLOCK_FIELDS:
        value = getattr(section, name)
        if not value and value != 0:
            continue
        if name in ("simulcast", "feedbacks"):
            block.lists.append((name, value))
        elif isinstance(value, dict):
            block.tables.append((name, value))
        else:
            block.texts.append((name, value))
    return block


def _finished(session: Session, lines: int) -> Session:
    """Apply the session-level attributes to m-lines (RFC 8839, RFC 8122, RFC 4145)."""
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


def _media(line: str, number: int) -> Section:
    read = _media_line if len(line) <= _LONGEST_MEDIA_LINE else _media_line.__wrapped__
    kind, port, protocol, formats = read(line[2:])
    return Section(number, kind, port, protocol, [*formats])


@lru_cache(maxsize=_MAX_BLOCKS)
def _media_line(value: str) -> tuple[str, int, str, tuple[str, ...]]:
    """Read an m-line: kind, port, protocol, formats; raise ValueError."""
    parts = [part for part in value.split(" ") if part]
    if not 4 <= len(parts) <= 131:
        raise ValueError("an m-line has kind, port, protocol and 1 to 128 formats")
    kind, port, protocol, *formats = parts
    return (
        grammar.token(kind),
        grammar.number(port, 65535),
        grammar.protocol(protocol),
        tuple([grammar.payload_type(grammar.token(entry)) for entry in formats]),
    )


def _rtpmap(section: Section, value: str) -> None:
    found = _RTPMAP.fullmatch(value)
    if found is None or int(found[1]) > 127:
        raise ValueError("a=rtpmap has a payload type and an encoding")
    payload_type = grammar.payload_type(found[1])
    section.rtpmaps[payload_type] = (found[2], int(found[3]), int(found[4] or 1))


def _fmtp(section: Section, value: str) -> None:
    name, _, parameters = value.partition(" ")
    payload_type = grammar.payload_type(name)
    table = section.parameters[payload_type] = format_parameters.read(parameters)
    is_red = format_parameters.RED_BLOCKS.fullmatch(parameters.strip(" \t")) is not None
    section.fmtps[payload_type] = (
        parameters.strip(" \t") if is_red else format_parameters.write(table)
    )


def _rtcp_fb(section: Section, value: str) -> None:
    payload_type, _, feedback = value.partition(" ")
    section.feedbacks.setdefault(grammar.payload_type(payload_type), []).append(feedback.strip())


def _extmap(section: Section, value: str) -> None:
    found = _EXTMAP.match(value)
    if found is None:
        raise ValueError("a=extmap has an id and a URI")
    identifier = int(found[1])
    # 15 is reserved; ids above 255 are alternatives not in use yet (RFC 8285 section 5)
    in_range = 1 <= identifier <= 255 and identifier != 15
    if in_range and identifier not in section.extensions.values():  # one id, one meaning
        section.extensions[found[2]] = identifier


def _ssrc(section: Section, value: str) -> None:
    ssrc = grammar.number(value.partition(" ")[0], 0xFFFFFFFF)
    if ssrc not in section.ssrcs:
        section.ssrcs.append(ssrc)


def _ssrc_group(section: Section, value: str) -> None:
    semantics, *ssrcs = value.split()
    numbers = [grammar.number(ssrc, 0xFFFFFFFF) for ssrc in ssrcs]
    section.ssrc_groups.append((semantics, numbers))


def _rid(section: Section, value: str) -> None:
    parts = value.split(None, 2)
    if len(parts) < 2 or parts[1] not in ("send", "recv") or not _RID.fullmatch(parts[0]):
        raise ValueError("a=rid has a name and a direction")
    if parts[0] in section.rids:
        raise ValueError(f"rid {parts[0][:20]} is described twice")
    section.rids[parts[0]] = Rid(parts[0], parts[1])


def _simulcast(section: Section, value: str) -> None:
    """Read the first alternative of each stream, paused or not (RFC 8853 section 5.1).

    The syntax of drafts (``send rid=a;b``) is ignored: such an offer has one stream.
    """
    parts = value.split()
    if any("=" in part for part in parts):
        return
    if len(parts) not in (2, 4):
        raise ValueError("a=simulcast has a direction and its streams")
    for direction, streams in zip(parts[::2], parts[1::2], strict=True):
        alternatives = [stream.split(",") for stream in streams.split(";")]
        named = [rid.removeprefix("~") for stream in alternatives for rid in stream]
        if direction not in ("send", "recv") or not all(_RID.fullmatch(rid) for rid in named):
            raise ValueError("a=simulcast has a direction and its streams")
        if len(set(named)) < len(named):
            raise ValueError("a=simulcast names a rid twice")
        section.simulcast[direction] = [stream[0].removeprefix("~") for stream in alternatives]


def _msid(section: Section, value: str) -> None:
    stream, _, track = value.partition(" ")
    track = track.strip()
    section.msid.append((grammar.token(stream), track if grammar.is_token(track) else ""))


def _mid(section: Section, value: str) -> None:
    section.mid = grammar.token(value)


def _group(section: Section, value: str) -> None:
    name, *mids = value.split() or [""]
    section.groups.append((name, mids))


def _fingerprint(section: Section, value: str) -> None:
    algorithm, _, digest = value.partition(" ")
    section.fingerprints.append(f"{algorithm.lower()} {digest.strip().upper()}")


def _setup(section: Section, value: str) -> None:
    if value not in _SETUPS:
        raise ValueError(f"a=setup:{value[:20]}")
    section.setup = value


def _candidate(section: Section, value: str) -> None:
    section.candidates.append(value)


def _ice_ufrag(section: Section, value: str) -> None:
    section.ice_ufrag = _ice(value)


def _ice_pwd(section: Section, value: str) -> None:
    section.ice_pwd = _ice(value)


def _ice(value: str) -> str:
    if _VISIBLE.fullmatch(value) is None:
        raise ValueError("ice-ufrag and ice-pwd are made of ice-chars")
    return value


def _direction(name: str) -> Callable[[Section, str], None]:
    def mark(section: Section, _value: str) -> None:
        section.direction = name

    return mark


def _sctp_port(section: Section, value: str) -> None:
    section.sctp_port = grammar.number(value, 65535)


def _max_message_size(section: Section, value: str) -> None:
    if not (value.isascii() and value.isdigit() and len(value) <= 20):
        raise ValueError(f"a=max-message-size:{value[:20]} is no number of bytes")
    section.max_message_size = int(value)


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
    "sctp-port": _sctp_port,
    "max-message-size": _max_message_size,
    "ice-lite": _flag("ice_lite"),
    "rtcp-mux": _flag("rtcp_mux"),
    "bundle-only": _flag("bundle_only"),
    "extmap-allow-mixed": _flag("mixed_extensions"),
    "end-of-candidates": _flag("end_of_candidates"),
    **{name: _direction(name) for name in ("sendrecv", "sendonly", "recvonly", "inactive")},
}
