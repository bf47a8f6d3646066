"""JSON-RPC 2.0: parse frames; write results, errors and notifications. No sockets."""

from collections.abc import Sequence
from typing import Any

import msgspec

from sfukit.signaling.refusal import Refusal, RpcCode

MAX_FRAME_BYTES = 128 * 1024
MAX_BATCH = 50

Identifier = str | int | float | None


class Request(msgspec.Struct):
    """One request; without ``id`` (UNSET) it is a notification and is never answered."""

    jsonrpc: str
    method: str
    params: msgspec.Raw = msgspec.Raw(b"{}")
    id: Identifier | msgspec.UnsetType = msgspec.UNSET

    @property
    def is_notification(self) -> bool:
        """Whether the request has no response (section 4.1)."""
        return self.id is msgspec.UNSET

    @property
    def identifier(self) -> Identifier:
        """The id of the response."""
        return None if isinstance(self.id, msgspec.UnsetType) else self.id


class RpcError(Exception):
    """An error of the protocol itself."""

    def __init__(self, code: RpcCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class _Error(msgspec.Struct):
    code: int
    message: str
    data: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


class _ErrorResponse(msgspec.Struct):
    error: _Error
    id: Identifier
    jsonrpc: str = "2.0"


class _ResultResponse(msgspec.Struct):
    result: Any
    id: Identifier
    jsonrpc: str = "2.0"


class _Notification(msgspec.Struct):
    method: str
    params: Any
    jsonrpc: str = "2.0"


class Frame(msgspec.Struct):
    """The requests of one frame; an invalid entry is an error in its place."""

    entries: list[Request | RpcError]
    batch: bool


_encoder = msgspec.json.Encoder()
_request_decoder = msgspec.json.Decoder(Request)
_batch_decoder = msgspec.json.Decoder(list[msgspec.Raw])


def parse_frame(text: str | bytes) -> Frame:
    """Parse one frame; raise ``RpcError`` for no JSON or an invalid batch (section 5.1, 6)."""
    if text[:64].lstrip()[:1] in ("[", b"["):
        return Frame([_entry(raw) for raw in _split_batch(text)], True)
    return Frame([_entry(text)], False)


def _split_batch(text: str | bytes) -> list[msgspec.Raw]:
    try:
        entries = _batch_decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RpcError(RpcCode.PARSE, f"not JSON: {error}") from None
    if not entries:
        raise RpcError(RpcCode.INVALID_REQUEST, "an empty batch")
    if len(entries) > MAX_BATCH:
        raise RpcError(RpcCode.INVALID_REQUEST, f"a batch of more than {MAX_BATCH}")
    return entries


def _entry(text: str | bytes | msgspec.Raw) -> Request | RpcError:
    try:
        request = _request_decoder.decode(text)
    except msgspec.ValidationError as error:
        return RpcError(RpcCode.INVALID_REQUEST, f"not a request: {error}")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return RpcError(RpcCode.PARSE, f"not JSON: {error}")
    if request.jsonrpc != "2.0":
        return RpcError(RpcCode.INVALID_REQUEST, 'jsonrpc has to be "2.0"')
    return request


def result(identifier: Identifier, value: Any) -> bytes:
    """Write a response with a result."""
    return _encoder.encode(_ResultResponse(value, identifier))


def error(identifier: Identifier, fault: RpcError | Refusal) -> bytes:
    """Write a response with an error; a refusal has its reason in ``data``."""
    if isinstance(fault, RpcError):
        return _encoder.encode(_ErrorResponse(_Error(fault.code, fault.message), identifier))
    data: dict[str, Any] = {"reason": fault.reason}
    if fault.line is not None:
        data["line"] = fault.line
    if fault.retry_after_s is not None:
        data["retry_after_s"] = fault.retry_after_s
    return _encoder.encode(_ErrorResponse(_Error(fault.code, fault.detail, data), identifier))


def notification(method: str, params: Any) -> bytes:
    """Write a notification."""
    return _encoder.encode(_Notification(method, params))


def joined(messages: Sequence[bytes]) -> bytes:
    """Join messages into one frame: one as it is, several as a batch (section 6)."""
    return messages[0] if len(messages) == 1 else b"[" + b",".join(messages) + b"]"
