"""Refusals: every reason code, with its HTTP status and JSON-RPC error code."""

from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple


class RpcCode(IntEnum):
    """Error codes of JSON-RPC 2.0 (section 5.1), and those of sfukit."""

    PARSE = -32700
    INVALID_REQUEST = -32600
    METHOD_NOT_FOUND = -32601
    INVALID_PARAMS = -32602
    INTERNAL = -32603
    UNAUTHORIZED = -32001
    FORBIDDEN = -32002
    NOT_JOINED = -32003
    NOT_FOUND = -32004
    STALE = -32005
    REFUSED = -32006
    UNAVAILABLE = -32007
    RATE_LIMITED = -32008
    CONFLICT = -32009


class ErrorCodes(NamedTuple):
    """The HTTP status and the JSON-RPC error code of a reason."""

    status: int
    code: RpcCode


REASONS: Mapping[str, ErrorCodes] = {
    "sdp_malformed": ErrorCodes(400, RpcCode.REFUSED),
    "sdpfrag_malformed": ErrorCodes(400, RpcCode.REFUSED),
    "candidate_malformed": ErrorCodes(400, RpcCode.INVALID_PARAMS),
    "message_invalid": ErrorCodes(400, RpcCode.INVALID_PARAMS),
    "body_unreadable": ErrorCodes(400, RpcCode.REFUSED),
    "name_invalid": ErrorCodes(400, RpcCode.INVALID_PARAMS),
    "token_missing": ErrorCodes(401, RpcCode.UNAUTHORIZED),
    "token_invalid": ErrorCodes(401, RpcCode.UNAUTHORIZED),
    "token_expired": ErrorCodes(401, RpcCode.UNAUTHORIZED),
    "room_denied": ErrorCodes(403, RpcCode.FORBIDDEN),
    "join_denied": ErrorCodes(403, RpcCode.FORBIDDEN),
    "create_denied": ErrorCodes(403, RpcCode.FORBIDDEN),
    "publish_denied": ErrorCodes(403, RpcCode.FORBIDDEN),
    "subscribe_denied": ErrorCodes(403, RpcCode.FORBIDDEN),
    "source_denied": ErrorCodes(403, RpcCode.FORBIDDEN),
    "data_denied": ErrorCodes(403, RpcCode.FORBIDDEN),
    "admin_denied": ErrorCodes(403, RpcCode.FORBIDDEN),
    "identity_denied": ErrorCodes(403, RpcCode.FORBIDDEN),
    "not_yours": ErrorCodes(403, RpcCode.FORBIDDEN),
    "muted_by_host": ErrorCodes(403, RpcCode.FORBIDDEN),
    "origin_denied": ErrorCodes(403, RpcCode.FORBIDDEN),
    "not_joined": ErrorCodes(409, RpcCode.NOT_JOINED),
    "already_joined": ErrorCodes(409, RpcCode.CONFLICT),
    "session_unknown": ErrorCodes(404, RpcCode.NOT_FOUND),
    "path_unknown": ErrorCodes(404, RpcCode.NOT_FOUND),
    "method_not_allowed": ErrorCodes(405, RpcCode.METHOD_NOT_FOUND),
    "room_unknown": ErrorCodes(404, RpcCode.NOT_FOUND),
    "participant_unknown": ErrorCodes(404, RpcCode.NOT_FOUND),
    "publication_unknown": ErrorCodes(404, RpcCode.NOT_FOUND),
    "layer_unknown": ErrorCodes(404, RpcCode.NOT_FOUND),
    "not_live": ErrorCodes(409, RpcCode.NOT_FOUND),
    "request_timeout": ErrorCodes(408, RpcCode.REFUSED),
    "stale_offer": ErrorCodes(409, RpcCode.STALE),
    "no_offer_outstanding": ErrorCodes(409, RpcCode.STALE),
    "not_negotiated": ErrorCodes(409, RpcCode.STALE),
    "etag_stale": ErrorCodes(412, RpcCode.STALE),
    "etag_missing": ErrorCodes(428, RpcCode.STALE),
    "body_too_large": ErrorCodes(413, RpcCode.REFUSED),
    "message_too_large": ErrorCodes(413, RpcCode.REFUSED),
    "content_type": ErrorCodes(415, RpcCode.REFUSED),
    "too_many_media": ErrorCodes(422, RpcCode.REFUSED),
    "too_many_subscriptions": ErrorCodes(422, RpcCode.REFUSED),
    "nothing_to_publish": ErrorCodes(422, RpcCode.REFUSED),
    "nothing_to_play": ErrorCodes(422, RpcCode.REFUSED),
    "codec_unsupported": ErrorCodes(422, RpcCode.REFUSED),
    "bundle_required": ErrorCodes(422, RpcCode.REFUSED),
    "bundle_conflict": ErrorCodes(422, RpcCode.REFUSED),
    "payload_type_invalid": ErrorCodes(422, RpcCode.REFUSED),
    "payload_type_conflict": ErrorCodes(422, RpcCode.REFUSED),
    "rtcp_mux_required": ErrorCodes(422, RpcCode.REFUSED),
    "setup_refused": ErrorCodes(422, RpcCode.REFUSED),
    "ice_missing": ErrorCodes(422, RpcCode.REFUSED),
    "fingerprint_missing": ErrorCodes(422, RpcCode.REFUSED),
    "fingerprint_weak": ErrorCodes(422, RpcCode.REFUSED),
    "restart_missing_credentials": ErrorCodes(422, RpcCode.REFUSED),
    "answer_mismatch": ErrorCodes(422, RpcCode.REFUSED),
    "answer_unexpected": ErrorCodes(422, RpcCode.REFUSED),
    "rate_limited": ErrorCodes(429, RpcCode.RATE_LIMITED),
    "internal_error": ErrorCodes(500, RpcCode.INTERNAL),
    "overloaded": ErrorCodes(503, RpcCode.UNAVAILABLE),
    "draining": ErrorCodes(503, RpcCode.UNAVAILABLE),
    "max_rooms": ErrorCodes(503, RpcCode.UNAVAILABLE),
    "max_participants": ErrorCodes(503, RpcCode.UNAVAILABLE),
    "max_egress": ErrorCodes(503, RpcCode.UNAVAILABLE),
}


class Refusal(Exception):  # noqa: N818 - a response, not an error
    """A refused request: a reason code for programs, a sentence for people."""

    def __init__(
        self, reason: str, detail: str, *, line: int | None = None, retry_after_s: int | None = None
    ) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.line = line
        self.retry_after_s = retry_after_s

    @property
    def status(self) -> int:
        """The HTTP status."""
        return REASONS[self.reason].status

    @property
    def code(self) -> RpcCode:
        """The JSON-RPC error code."""
        return REASONS[self.reason].code
