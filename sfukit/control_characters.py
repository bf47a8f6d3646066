"""Escapes of characters that change how a text is shown: a terminal, a page."""

import re

# Control characters but the line feed, other line ends, marks that change the direction of text,
# and halves of characters.
_UNSAFE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def escaped(text: str) -> str:
    """Return a text with such characters as Python writes them, such as ``\\x1b``."""
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)
