"""The composition of the rooms: the participants of each, by role."""

from typing import NamedTuple

from sfukit.errors import UsageError
from sfukit.loadgen.options import LoadOptions

_DEFAULT_CLIENTS = 10
_MEETING_SIZE = 5
_WEBINAR_PANEL = 3
_AUDIO_ROOM_SPEAKERS = 10


class Composition(NamedTuple):
    """The participants of one room, by role."""

    publishers: int
    audio_publishers: int
    subscribers: int

    @property
    def size(self) -> int:
        """The number of participants."""
        return self.publishers + self.audio_publishers + self.subscribers


def compositions(options: LoadOptions) -> list[Composition]:
    """Return the composition of each room, by the given numbers, else by the scenario."""
    _check_counts(options)
    given = (options.publishers, options.audio_publishers, options.subscribers)
    if options.clients is None and any(count is not None for count in given):
        return [_given_composition(options)] * (options.rooms or 1)
    clients = options.clients or _DEFAULT_CLIENTS
    rooms = options.rooms or _default_rooms(options, clients)
    if rooms > clients:
        raise UsageError(
            f"--rooms {rooms}: more rooms than the {clients} clients", hint=f"-c {rooms} or more"
        )
    sizes = [clients // rooms + (index < clients % rooms) for index in range(rooms)]
    return [_composition(options, size) for size in sizes]


def _default_rooms(options: LoadOptions, clients: int) -> int:
    given = (options.publishers, options.audio_publishers, options.subscribers)
    composed = any(count is not None for count in given)
    if options.scenario != "meeting" or options.shape != "rooms" or composed:
        return 1
    return -(-clients // _MEETING_SIZE)


def _given_composition(options: LoadOptions) -> Composition:
    """Return a room of the given numbers; the scenario sets the publishers that are not given."""
    audio_only = options.scenario == "audio-room"
    publishers = options.publishers
    if publishers is None:
        publishers = 0 if audio_only or options.audio_publishers else 1
    audio = options.audio_publishers or 0
    composition = Composition(publishers, audio, options.subscribers or 0)
    return _checked(options, _without_video(composition) if audio_only else composition)


def _composition(options: LoadOptions, size: int) -> Composition:
    """Return a room of a given size; the scenario sets the numbers that are not given."""
    publishers, audio = options.publishers, options.audio_publishers or 0
    audio_only = options.scenario == "audio-room"
    if publishers is None:
        publishers = _default_publishers(options, size) - audio if not audio_only else 0
        publishers = max(0, min(publishers, size - audio - (options.subscribers or 0)))
    if audio_only and options.audio_publishers is None:
        audio = min(_AUDIO_ROOM_SPEAKERS, size) - publishers
    subscribers = size - publishers - audio
    if subscribers < 0 or options.subscribers not in (None, subscribers):
        raise UsageError(
            f"a room of {size} clients cannot have {publishers} publishers, {audio} audio "
            f"publishers and {options.subscribers or 0} subscribers",
            hint="leave one of these numbers out",
        )
    composition = Composition(publishers, audio, subscribers)
    return _checked(options, _without_video(composition) if audio_only else composition)


def _default_publishers(options: LoadOptions, size: int) -> int:
    if options.shape == "publish":
        return size
    if options.shape == "pair" or options.scenario == "broadcast":
        return 1
    return min(_WEBINAR_PANEL, size) if options.scenario == "webinar" else size


def _without_video(composition: Composition) -> Composition:
    """Return a composition with audio publishers only."""
    publishers, audio, subscribers = composition
    return Composition(0, publishers + audio, subscribers)


def _checked(options: LoadOptions, composition: Composition) -> Composition:
    if composition.publishers + composition.audio_publishers == 0:
        raise UsageError("no publisher", hint="give --publishers 1 or more")
    if options.audio_disabled_by and composition.audio_publishers + (composition.publishers == 0):
        raise UsageError(f"{options.audio_disabled_by}: leaves a publisher without tracks")
    return composition


def _check_counts(options: LoadOptions) -> None:
    for name in ("clients", "rooms"):
        count = getattr(options, name)
        if count is not None and count < 1:
            raise UsageError(f"--{name} {count}: out of range", hint="give 1 or more")
    for name in ("publishers", "audio_publishers", "subscribers"):
        count = getattr(options, name)
        if count is not None and count < 0:
            raise UsageError(f"--{name.replace('_', '-')} {count}: give 0 or more")
