"""The client's side of JSON-RPC 2.0 (docs/protocol.md): write requests, parse messages."""

from typing import Any

import msgspec


class Failure(msgspec.Struct):
    """An error response."""

    code: int
    message: str = ""
    data: Any = None

    @property
    def reason(self) -> str:
        """The reason code of the server, else ``rpc_CODE``."""
        reason = self.data.get("reason") if isinstance(self.data, dict) else None
        return str(reason) if reason else f"rpc_{self.code}"

    @property
    def retry_after_s(self) -> object:
        """The server's retry_after_s, or None."""
        return self.data.get("retry_after_s") if isinstance(self.data, dict) else None


class Incoming(msgspec.Struct):
    """A message of the server: request, notification or response."""

    method: str | None = None
    params: msgspec.Raw = msgspec.Raw(b"{}")
    id: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: Failure | None = None


class _Request(msgspec.Struct):
    method: str
    params: Any
    id: int
    jsonrpc: str = "2.0"


_one = msgspec.json.Decoder(Incoming)
_several = msgspec.json.Decoder(list[Incoming])
_encoder = msgspec.json.Encoder()


def request(method: str, params: object, number: int) -> bytes:
    """Write a request with this number as id."""
    return _encoder.encode(_Request(method, params, number))


def messages(frame: str | bytes) -> list[Incoming]:
    """Read one frame, a batch or not; raises ``msgspec.DecodeError``."""
    is_batch = frame[:1] in ("[", b"[")
    return _several.decode(frame) if is_batch else [_one.decode(frame)]
