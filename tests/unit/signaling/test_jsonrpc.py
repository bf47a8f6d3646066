"""JSON-RPC 2.0 framing."""

import msgspec
import pytest

from sfukit.signaling import jsonrpc
from sfukit.signaling.jsonrpc import Request, RpcError
from sfukit.signaling.refusal import Refusal, RpcCode


def only(text: str) -> Request | RpcError:
    frame = jsonrpc.parse_frame(text)
    assert len(frame.entries) == 1
    return frame.entries[0]


def test_a_request_has_an_id_and_a_notification_has_none() -> None:
    request = only('{"jsonrpc":"2.0","method":"join","params":{"sid":"x"},"id":7}')
    assert isinstance(request, Request)
    assert (request.identifier, request.is_notification) == (7, False)
    assert msgspec.json.decode(request.params) == {"sid": "x"}
    note = only('{"jsonrpc":"2.0","method":"leave"}')
    assert isinstance(note, Request)
    assert note.is_notification


def test_an_id_of_null_is_an_id() -> None:
    request = only('{"jsonrpc":"2.0","method":"leave","id":null}')
    assert isinstance(request, Request)
    assert (request.is_notification, request.identifier) == (False, None)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", RpcCode.PARSE),
        ("{", RpcCode.PARSE),
        ("nope", RpcCode.PARSE),
        ('"text"', RpcCode.INVALID_REQUEST),
        ("7", RpcCode.INVALID_REQUEST),
        ('{"method":"join","id":1}', RpcCode.INVALID_REQUEST),
        ('{"jsonrpc":"1.0","method":"join","id":1}', RpcCode.INVALID_REQUEST),
        ('{"jsonrpc":"2.0","method":5,"id":1}', RpcCode.INVALID_REQUEST),
        ('{"jsonrpc":"2.0","method":"join","id":[]}', RpcCode.INVALID_REQUEST),
    ],
)
def test_what_is_no_request_is_an_error_of_the_standard(text: str, code: RpcCode) -> None:
    entry = only(text)
    assert isinstance(entry, RpcError)
    assert entry.code == code


def test_nesting_is_bounded() -> None:
    deep = "[" * 50_000 + "]" * 50_000
    entry = only('{"jsonrpc":"2.0","method":"x","id":1,"other":' + deep + "}")
    assert isinstance(entry, RpcError)
    with pytest.raises(RpcError):
        jsonrpc.parse_frame(deep)


def test_a_batch_keeps_its_order_and_its_faults() -> None:
    frame = jsonrpc.parse_frame(' [{"jsonrpc":"2.0","method":"a","id":1}, 5]')
    assert frame.batch
    first, second = frame.entries
    assert isinstance(first, Request)
    assert isinstance(second, RpcError)


@pytest.mark.parametrize("text", ["[]", "[1,", "[" + ",".join(["{}"] * 51) + "]"])
def test_batches_that_are_empty_broken_or_too_long_are_one_error(text: str) -> None:
    with pytest.raises(RpcError):
        jsonrpc.parse_frame(text)


def test_a_refusal_carries_its_reason() -> None:
    text = jsonrpc.error(3, Refusal("sdp_malformed", "line 4: no", line=4))
    assert msgspec.json.decode(text) == {
        "jsonrpc": "2.0",
        "id": 3,
        "error": {
            "code": -32006,
            "message": "line 4: no",
            "data": {"reason": "sdp_malformed", "line": 4},
        },
    }
    unavailable = msgspec.json.decode(jsonrpc.error(3, Refusal("overloaded", "x", retry_after_s=2)))
    assert unavailable["error"]["data"] == {"reason": "overloaded", "retry_after_s": 2}


def test_messages_join_into_a_batch() -> None:
    one, two = jsonrpc.notification("a", {}), jsonrpc.notification("b", {})
    assert jsonrpc.joined([one]) == one
    assert [entry["method"] for entry in msgspec.json.decode(jsonrpc.joined([one, two]))] == [
        "a",
        "b",
    ]
