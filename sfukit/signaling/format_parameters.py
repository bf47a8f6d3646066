"""Format parameters, ``a=fmtp``: every accepted value matches a grammar, so it may be written.

A known parameter is checked by its own rule, an unknown one as token and visible characters.
Invalid ones are omitted.
"""

import re

from sfukit.signaling.grammar import TOKEN_CHARACTERS

DEFAULT_H264_PROFILE = "42e01f"

# The payload types of the blocks of RED (RFC 2198 section 5), which are not parameters.
RED_BLOCKS = re.compile(r"[0-9]{1,3}(?:/[0-9]{1,3}){1,31}")
_MOST = 32
_NAME = re.compile(rf"[{TOKEN_CHARACTERS}]{{1,64}}")
_UNKNOWN = re.compile(r"[!-:<-~]{1,256}")  # visible, no semicolon
_FLAG = re.compile(r"[01]")
_COUNT = re.compile(r"[0-9]{1,9}")
_PROFILE_LEVEL = re.compile(r"[0-9a-f]{6}")
_RULES = {
    # Opus: RFC 7587 section 6.1
    **dict.fromkeys(("useinbandfec", "usedtx", "stereo", "sprop-stereo", "cbr"), _FLAG),
    **dict.fromkeys(("minptime", "ptime", "maxptime"), re.compile(r"[0-9]{1,3}")),
    **dict.fromkeys(("maxaveragebitrate", "maxplaybackrate", "sprop-maxcapturerate"), _COUNT),
    # H.264: RFC 6184 section 8.1
    "profile-level-id": _PROFILE_LEVEL,
    "packetization-mode": re.compile(r"[012]"),
    "level-asymmetry-allowed": _FLAG,
    "sprop-parameter-sets": re.compile(r"[A-Za-z0-9+/=]{1,200}(?:,[A-Za-z0-9+/=]{1,200}){0,7}"),
    # VP8 and VP9: RFC 7741 section 6.1, RFC 9628 section 6
    **dict.fromkeys(("max-fr", "max-fs"), _COUNT),
    "profile-id": re.compile(r"[0-3]"),
    # AV1 RTP payload specification section 7.2.1
    "profile": re.compile(r"[0-2]"),
    "level-idx": re.compile(r"[0-9]{1,2}"),
    "tier": _FLAG,
    "apt": re.compile(r"[0-9]{1,3}"),
}


def read(text: str) -> dict[str, str]:
    """Read ``a=1;b=2`` into a table, keys in lower case, at most 32 of them."""
    table: dict[str, str] = {}
    for part in text.split(";", _MOST)[:_MOST]:
        key, equals, value = part.partition("=")
        key, value = key.strip(" \t").lower(), value.strip(" \t")
        rule = _RULES.get(key, _UNKNOWN)
        if not equals or key in table or (rule is _UNKNOWN and not _NAME.fullmatch(key)):
            continue
        if rule.fullmatch(value):
            table[key] = value
        elif rule is _PROFILE_LEVEL:
            table[key] = _profile_level(value)
    return table


def write(table: dict[str, str]) -> str:
    """Write a table of ``read``."""
    return ";".join([f"{key}={value}" for key, value in table.items()])


def _profile_level(value: str) -> str:
    """Replace an invalid value (some muxers write seven digits) by constrained baseline."""
    lower = value.lower()
    return lower if _PROFILE_LEVEL.fullmatch(lower) else DEFAULT_H264_PROFILE
