"""Validation of names: rooms, participants and track sources."""

import re

from sfukit.signaling.refusal import Refusal

SOURCE_KINDS = {
    "camera": "video",
    "microphone": "audio",
    "screen_share": "video",
    "screen_share_audio": "audio",
    "canvas": "video",
}
DEFAULT_SOURCE = {"audio": "microphone", "video": "camera"}

_ROOM = re.compile(r"[A-Za-z0-9._~-]{1,64}")
_SOURCE = re.compile(r"[a-z0-9_-]{1,64}")
_UID = re.compile(r"[A-Za-z0-9._~@:+-]{1,128}")


def room_name(text: str) -> str:
    """Check the name of a room."""
    if not _ROOM.fullmatch(text):
        raise Refusal("name_invalid", "a room is named by 1 to 64 of A-Z a-z 0-9 . _ ~ -")
    return text


def participant_name(text: str) -> str:
    """Check the uid of a participant."""
    if not _UID.fullmatch(text):
        raise Refusal("name_invalid", "a uid has 1 to 128 of A-Z a-z 0-9 . _ ~ @ : + -")
    return text


def source_name(text: str) -> str:
    """Check the name of a track source: one of ``SOURCE_KINDS`` or another."""
    if not _SOURCE.fullmatch(text):
        raise Refusal("name_invalid", "a source is named by 1 to 64 of a-z 0-9 _ -")
    return text
