"""Data and scripts inside a page."""

import base64
import hashlib
from typing import Any

import msgspec

# "</script>" and "<!--" would end or change a script element (HTML, "restrictions for contents of
# script elements"); the line ends of JavaScript are no line ends of JSON.
_ESCAPES = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)
_DIGITS = 5


def json_script(value: Any) -> str:
    """Return a value as a data block, which no browser executes; numbers keep five digits."""
    encoded = msgspec.json.encode(_rounded(value)).decode(errors="replace")
    return f"<script type=application/json>{encoded.translate(_ESCAPES)}</script>"


def source_hash(source: str) -> str:
    """Return the hash of an inline script, as a Content-Security-Policy lists it."""
    digest = hashlib.sha256(source.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _rounded(value: Any) -> Any:
    match value:
        case float():
            return float(f"{value:.{_DIGITS}g}")
        case dict():
            return {name: _rounded(one) for name, one in value.items()}
        case list() | tuple():
            return [_rounded(one) for one in value]
        case _:
            return value
