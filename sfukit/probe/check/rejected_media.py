"""The offered media kinds that an answer rejects, and how. Pure."""

from collections.abc import Iterator

from sfukit.probe.check.signaling import Role
from sfukit.signaling.descriptions import RemoteDescription
from sfukit.signaling.sdp import Section

_OFFERED = ("audio", "video")
_WANTED = {"publisher": ("recvonly", "sendrecv"), "subscriber": ("sendonly", "sendrecv")}


def describe(answer: RemoteDescription, role: Role) -> list[str]:
    """List the rejected kinds, each with the reason."""
    return [f"{kind} is off: {why}" for kind, why in _off(answer, role)]


def _off(answer: RemoteDescription, role: Role) -> Iterator[tuple[str, str]]:
    used = {line.mid for line in answer.lines}
    for kind in _OFFERED:
        section = next((one for one in answer.sections if one.kind == kind), None)
        if section is None:
            yield kind, "the answer has no m-line for it"
        elif why := _why(section, role, is_used=section.mid in used):
            yield kind, why


def _why(section: Section, role: Role, *, is_used: bool) -> str | None:
    if section.rejected:
        return "the answer has it with port 0"
    if section.direction == "inactive":
        return "the answer has it a=inactive"
    if section.direction not in _WANTED[role]:
        return f"the answer has it a={section.direction}, to an offer of the same direction"
    return None if is_used else "the answer accepts no codec of the offer"
