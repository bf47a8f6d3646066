"""Problem documents (RFC 9457), parsed by clients."""

import msgspec


class Problem(msgspec.Struct, frozen=True):
    """The members that sfukit uses; empty where absent."""

    reason: str = ""
    detail: str = ""


def read(body: bytes | bytearray | None) -> Problem:
    """Read a body that may be a problem document."""
    try:
        return msgspec.json.decode(body or b"{}", type=Problem)
    except msgspec.DecodeError:
        return Problem()
