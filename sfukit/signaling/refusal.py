"""Refusals: every reason for which a request is turned down, and what each protocol calls it."""

from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple


class RpcCode(IntEnum):
    """Error codes of JSON-RPC 2.0 (section 5.1), and ours beside them."""

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


class Meaning(NamedTuple):
    """What a reason is called in HTTP and in JSON-RPC."""

    status: int
    code: RpcCode


REASONS: Mapping[str, Meaning] = {
    "sdp_malformed": Meaning(400, RpcCode.REFUSED),
    "sdpfrag_malformed": Meaning(400, RpcCode.REFUSED),
    "candidate_malformed": Meaning(400, RpcCode.INVALID_PARAMS),
    "body_unreadable": Meaning(400, RpcCode.REFUSED),
    "name_invalid": Meaning(400, RpcCode.INVALID_PARAMS),
    "token_missing": Meaning(401, RpcCode.UNAUTHORIZED),
    "token_invalid": Meaning(401, RpcCode.UNAUTHORIZED),
    "token_expired": Meaning(401, RpcCode.UNAUTHORIZED),
    "room_denied": Meaning(403, RpcCode.FORBIDDEN),
    "join_denied": Meaning(403, RpcCode.FORBIDDEN),
    "create_denied": Meaning(403, RpcCode.FORBIDDEN),
    "publish_denied": Meaning(403, RpcCode.FORBIDDEN),
    "subscribe_denied": Meaning(403, RpcCode.FORBIDDEN),
    "source_denied": Meaning(403, RpcCode.FORBIDDEN),
    "data_denied": Meaning(403, RpcCode.FORBIDDEN),
    "admin_denied": Meaning(403, RpcCode.FORBIDDEN),
    "identity_denied": Meaning(403, RpcCode.FORBIDDEN),
    "not_yours": Meaning(403, RpcCode.FORBIDDEN),
    "muted_by_host": Meaning(403, RpcCode.FORBIDDEN),
    "origin_denied": Meaning(403, RpcCode.FORBIDDEN),
    "not_joined": Meaning(409, RpcCode.NOT_JOINED),
    "already_joined": Meaning(409, RpcCode.CONFLICT),
    "session_unknown": Meaning(404, RpcCode.NOT_FOUND),
    "path_unknown": Meaning(404, RpcCode.NOT_FOUND),
    "method_not_allowed": Meaning(405, RpcCode.METHOD_NOT_FOUND),
    "room_unknown": Meaning(404, RpcCode.NOT_FOUND),
    "participant_unknown": Meaning(404, RpcCode.NOT_FOUND),
    "publication_unknown": Meaning(404, RpcCode.NOT_FOUND),
    "layer_unknown": Meaning(404, RpcCode.NOT_FOUND),
    "not_live": Meaning(409, RpcCode.NOT_FOUND),
    "request_timeout": Meaning(408, RpcCode.REFUSED),
    "stale_offer": Meaning(409, RpcCode.STALE),
    "no_offer_outstanding": Meaning(409, RpcCode.STALE),
    "etag_stale": Meaning(412, RpcCode.STALE),
    "etag_missing": Meaning(428, RpcCode.STALE),
    "body_too_large": Meaning(413, RpcCode.REFUSED),
    "message_too_large": Meaning(413, RpcCode.REFUSED),
    "content_type": Meaning(415, RpcCode.REFUSED),
    "too_many_media": Meaning(422, RpcCode.REFUSED),
    "too_many_subscriptions": Meaning(422, RpcCode.REFUSED),
    "nothing_to_publish": Meaning(422, RpcCode.REFUSED),
    "nothing_to_play": Meaning(422, RpcCode.REFUSED),
    "codec_unsupported": Meaning(422, RpcCode.REFUSED),
    "bundle_required": Meaning(422, RpcCode.REFUSED),
    "bundle_conflict": Meaning(422, RpcCode.REFUSED),
    "payload_type_invalid": Meaning(422, RpcCode.REFUSED),
    "payload_type_conflict": Meaning(422, RpcCode.REFUSED),
    "rtcp_mux_required": Meaning(422, RpcCode.REFUSED),
    "setup_refused": Meaning(422, RpcCode.REFUSED),
    "ice_missing": Meaning(422, RpcCode.REFUSED),
    "fingerprint_missing": Meaning(422, RpcCode.REFUSED),
    "fingerprint_weak": Meaning(422, RpcCode.REFUSED),
    "restart_missing_credentials": Meaning(422, RpcCode.REFUSED),
    "answer_mismatch": Meaning(422, RpcCode.REFUSED),
    "rate_limited": Meaning(429, RpcCode.RATE_LIMITED),
    "internal_error": Meaning(500, RpcCode.INTERNAL),
    "overloaded": Meaning(503, RpcCode.UNAVAILABLE),
    "draining": Meaning(503, RpcCode.UNAVAILABLE),
    "max_rooms": Meaning(503, RpcCode.UNAVAILABLE),
    "max_participants": Meaning(503, RpcCode.UNAVAILABLE),
    "max_egress": Meaning(503, RpcCode.UNAVAILABLE),
}


class Refusal(Exception):  # noqa: N818 - it is an answer, not an error
    """A request is turned down: a reason code for programs, a sentence for people."""

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
