"""The send queue of a WebSocket: bounds, lossy messages, replaced states."""

from sfukit.server.outbox import MAX_BYTES, MAX_MESSAGES, Outbox, state_key_of
from sfukit.signaling.room_messages import EncodingsNotification, LayerSwitch


def taken(outbox: Outbox) -> list[bytes]:
    return [outbox.pop() for _ in range(len(outbox))]


def test_messages_leave_in_order() -> None:
    outbox = Outbox()
    for message in (b"1", b"2", b"3"):
        assert outbox.put(message, lossy=message == b"2")
    assert taken(outbox) == [b"1", b"2", b"3"]
    assert outbox.dropped == 0


def test_messages_are_taken_up_to_a_size() -> None:
    outbox = Outbox()
    for message in (b"12", b"345", b"6"):
        assert outbox.put(message, lossy=True)
    assert outbox.take(0) == []
    assert outbox.take(3) == [b"12", b"345"]
    assert (outbox.take(100), len(outbox), len(outbox._lossy)) == ([b"6"], 0, 0)


def test_lossy_messages_are_dropped_oldest_first() -> None:
    outbox = Outbox()
    for number in range(3 * MAX_MESSAGES):
        assert outbox.put(b"%d" % number, lossy=True)
    assert (len(outbox), outbox.dropped) == (MAX_MESSAGES, 2 * MAX_MESSAGES)
    for _ in range(MAX_MESSAGES):
        assert outbox.put(b"fact")
    assert taken(outbox) == [b"fact"] * MAX_MESSAGES
    assert outbox.dropped == 3 * MAX_MESSAGES


def test_other_messages_are_bounded_in_number_and_in_bytes() -> None:
    outbox = Outbox()
    assert all(outbox.put(b"x") for _ in range(MAX_MESSAGES))
    assert not outbox.put(b"x")
    outbox.clear()
    assert outbox.put(b"x" * MAX_BYTES)
    assert not outbox.put(b"x")
    outbox.clear()
    assert outbox.put(b"x" * MAX_BYTES)


def test_bytes_are_released_when_messages_are_removed() -> None:
    outbox = Outbox()
    for number in range(10_000):
        assert outbox.put(b"x" * (MAX_BYTES // 2), lossy=number % 2 == 0)
        outbox.pop()
    assert len(outbox._lossy) == 0


def test_a_state_replaces_an_earlier_one_at_the_end_of_the_queue() -> None:
    outbox = Outbox()
    for muted in range(10_000):
        assert outbox.put(b"muted %d" % muted, state_key=("publication-muted", (1,)))
        assert outbox.put(b"other", state_key=("publication-muted", (2,)))
    outbox.put(b"fact")
    outbox.put(b"muted last", state_key=("publication-muted", (1,)))
    assert taken(outbox) == [b"other", b"fact", b"muted last"]


def test_state_keys_distinguish_the_objects_of_states() -> None:
    muted = state_key_of("publication-muted", {"uid": "a", "publication": 1, "muted": True})
    assert muted == state_key_of(
        "publication-muted", {"uid": "a", "publication": 1, "muted": False}
    )
    assert muted != state_key_of("publication-muted", {"uid": "a", "publication": 2, "muted": True})
    q, h = [
        state_key_of("encoding-state", {"publication": 1, "rid": rid, "active": True})
        for rid in ("q", "h")
    ]
    assert q != h
    assert state_key_of("room-size", {"participants": 1}) == state_key_of(
        "room-size", {"participants": 2}
    )
    assert state_key_of("encodings", EncodingsNotification(1, ["q"]))
    assert state_key_of("layer-switch", LayerSwitch(1, "q", "h", "", 0.0))
    assert state_key_of("participant-left", {"uid": "a"}) is None
    assert state_key_of("message", {"from": "a"}) is None
