"""Messages between participants, by the method ``message`` or by the data channel ``sfukit``."""

import time
from functools import partial
from typing import Protocol

import msgspec

from sfukit.server.call_limits import CallLimits
from sfukit.server.core import Core
from sfukit.server.member import Member
from sfukit.server.native_messages import SendMessages
from sfukit.server.room import Room
from sfukit.signaling import jsonrpc
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.room_messages import (
    MAX_MESSAGE_BYTES,
    DataChannelError,
    MessageNotification,
    MessageParams,
)

_params = msgspec.json.Decoder(MessageParams)


class Sender(Member, Protocol):
    """A participant that sends messages."""

    core: Core
    room: Room


def send_message(sender: Sender, params: MessageParams, limits: CallLimits) -> int:
    """Send data to one or all others; return how many participants that are not hidden get it.

    Each gets it once: on its channel ``sfukit`` if that is open, else by its WebSocket. Viewers get
    what is for all. Raise ``Refusal``.
    """
    if not sender.rights.data:
        raise Refusal("data_denied", "the token has canPublishData = false")
    if len(bytes(params.data)) > MAX_MESSAGE_BYTES:
        raise Refusal("message_too_large", f"the message exceeds {MAX_MESSAGE_BYTES} bytes")
    room, core = sender.room, sender.core
    others = [member for member in room.participants.values() if member is not sender]
    if params.to is not None:
        others = [
            member
            for member in others
            if member.uid == params.to and (sender.rights.admin or not member.rights.hidden)
        ]
        if not others:
            raise Refusal("participant_unknown", f"the room has no participant {params.to!r}")
    viewers = room.viewers if params.to is None else []
    notification = MessageNotification(sender.uid, params.topic, params.data)
    frame = jsonrpc.notification("message", notification)
    transports = [member.message_transport for member in others]
    transports += [viewer.message_transport for viewer in viewers]
    channels = [transport for transport in transports if transport is not None]
    limits.take_message(time.monotonic(), len(frame) * max(len(others), len(channels)))
    for member in others:
        if member.message_transport is None:
            core.guard("message", partial(member.send, frame, lossy=True))
    if channels:
        text = msgspec.json.encode(notification).decode()
        command = SendMessages(room=room.number, transports=channels, text=text)
        core.engine.send(room.worker, [command])
    return sum(not member.rights.hidden for member in others)


def on_data_message(sender: Sender, transport: int, text: str, limits: CallLimits) -> None:
    """Send a message of the channel ``sfukit`` on; a refusal is answered there."""
    try:
        limits.take_method(time.monotonic(), "message")
        send_message(sender, _params.decode(text), limits)
    except (msgspec.DecodeError, Refusal) as error:
        refusal = error if isinstance(error, Refusal) else Refusal("message_invalid", str(error))
        core, room = sender.core, sender.room
        core.metrics.refused.labels(refusal.reason).inc()
        answer = msgspec.json.encode(DataChannelError(refusal.reason, refusal.detail or ""))
        command = SendMessages(room=room.number, transports=[transport], text=answer.decode())
        core.engine.send(room.worker, [command])
