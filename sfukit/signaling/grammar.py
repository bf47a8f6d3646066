"""The grammar of SDP (RFC 8866 section 9): line ends and tokens.

Lines end with CRLF or LF only. Other line ends (a lone CR, U+0085, U+2028) are refused or stay
inside a value, and values are checked before they are written.
"""

import re

MAX_BYTES = 64 * 1024

TOKEN_CHARACTERS = r"!#$%&'*+\-.0-9A-Z^_`a-z{|}~"
_TOKEN = re.compile(rf"[{TOKEN_CHARACTERS}]{{1,256}}")
_PROTOCOL = re.compile(rf"[{TOKEN_CHARACTERS}]{{1,64}}(?:/[{TOKEN_CHARACTERS}]{{1,64}}){{0,7}}")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_PAYLOAD_TYPES = {
    f"{number:0{digits}}": str(number) for digits in (1, 2, 3) for number in range(10**digits)
}
_JOINED = re.compile(r"v=0 ?o=|[am]=.+(?:a=ice-|a=mid:|a=candidate:|m=audio|m=video)")
_BLANKS = " \t"


class SdpError(ValueError):
    """The text is no valid SDP: line and reason."""

    def __init__(self, line: int, why: str) -> None:
        super().__init__(f"line {line}: {why}")
        self.line = line
        self.why = why


def split_lines(text: str, most: int) -> list[str]:
    """Split a description into lines without trailing blanks; blank lines stay."""
    if len(text) > MAX_BYTES or len(text.encode(errors="replace")) > MAX_BYTES:
        raise SdpError(0, f"longer than {MAX_BYTES} bytes")
    text = text.replace("\r\n", "\n")
    if found := _CONTROL.search(text):
        raise SdpError(text.count("\n", 0, found.start()) + 1, _name_control(found[0]))
    lines = text.rstrip("\n").split("\n")
    if len(lines) > most:
        raise SdpError(most, f"more than {most} lines")
    if reason := _lost_newlines(text, lines):
        raise SdpError(1, reason)
    return [line.rstrip(_BLANKS) for line in lines]


def number(text: str, highest: int) -> int:
    """Read a decimal number of at most ten digits; raise ValueError."""
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        raise ValueError(f"{text[:20]!r} is no number")
    value = int(text)
    if value > highest:
        raise ValueError(f"{value} is above {highest}")
    return value


def token(text: str) -> str:
    """Check a token of at most 256 characters; raise ValueError."""
    if _TOKEN.fullmatch(text) is None:
        raise ValueError(f"{text[:20]!r} is no token")
    return text


def is_token(text: str) -> bool:
    """Return whether a text is a token of at most 256 characters."""
    return _TOKEN.fullmatch(text) is not None


def protocol(text: str) -> str:
    """Check the protocol of an m-line: tokens with slashes between; raise ValueError."""
    if _PROTOCOL.fullmatch(text) is None:
        raise ValueError(f"{text[:20]!r} is no transport protocol")
    return text


def payload_type(text: str) -> str:
    """Write a format without leading zeros where it is a payload type, so that equal ones match."""
    return _PAYLOAD_TYPES.get(text, text)


def _name_control(found: str) -> str:
    if found == "\r":
        return "a carriage return without a line feed behind it"
    return f"a control character, {ord(found):#04x}"


def _lost_newlines(text: str, lines: list[str]) -> str | None:
    """Return how the line ends were lost where a description is on one line, or None."""
    if len(lines) > 1:
        return None
    if text.lstrip().startswith(("{", "[")):
        return "this is JSON: send the description alone, as the string in it reads"
    if "\\n" in text or "\\r" in text:
        return r"the line ends are the letters \r\n: send the characters CR and LF"
    if _JOINED.match(text):
        return "the line ends are gone: curl -d removes them, --data-binary @FILE keeps them"
    return None
