"""Problem documents (RFC 9457) as a client reads them: why it was refused, if that is told."""

import msgspec


class Problem(msgspec.Struct, frozen=True):
    """As far as sfukit fills it in; empty where a server says nothing."""

    reason: str = ""
    detail: str = ""


def read(body: bytes | bytearray | None) -> Problem:
    """Read a body that may be a problem document."""
    try:
        return msgspec.json.decode(body or b"{}", type=Problem)
    except msgspec.DecodeError:
        return Problem()
