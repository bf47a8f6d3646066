"""The changes of local addresses of a run, by transport: in progress, complete, failed. No I/O."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from sfukit.loadgen.scenario import Bot
from sfukit.swarm.messages import AddressChanged

_NS_PER_S = 1e9
_MAX_CHANGES = 100_000
_FAILURES: Mapping[str, str] = {
    "no_response": (
        "no connectivity check from the new address was answered within 10 s: the target accepts "
        "no other address with the same ICE credentials"
    ),
    "no_media": (
        "a connectivity check from the new address was answered, and no media followed within "
        "10 s: the target still sends to the old address"
    ),
    "changed_again": "not complete before the next change: give a longer --handover",
}


class AddressChange(NamedTuple):
    """One change of one transport; ``failure`` is empty where it is complete."""

    bot: Bot
    started_ns: int
    gap_ms: float | None
    ice_ms: float | None
    failure: str = ""

    def is_within(self, bounds_ns: tuple[int, int]) -> bool:
        """Whether the change started in a measured window."""
        return bounds_ns[0] <= self.started_ns < bounds_ns[1]


class Failure(NamedTuple):
    """A change that did not complete: the bot, a code and a sentence."""

    bot: Bot
    code: str
    message: str


@dataclass
class Handovers:
    """All changes of local addresses."""

    changes: list[AddressChange] = field(default_factory=list)
    _pending: dict[int, tuple[Bot, int]] = field(default_factory=dict)

    def started(self, transports: Sequence[int], bot: Bot, at_ns: int) -> None:
        """Record that the transports of a bot change their address."""
        self._pending |= dict.fromkeys(transports, (bot, at_ns))

    def ended(self, event: AddressChanged) -> Failure | None:
        """Record the end of a change; return its failure. Of two changes the later is pending."""
        known = self._pending.get(event.transport)
        if known is None:
            return None
        bot, started_ns = known
        if event.failure != "changed_again":
            del self._pending[event.transport]
        self._add(AddressChange(bot, started_ns, event.gap_ms, event.ice_ms, event.failure or ""))
        if event.failure is None:
            return None
        message = _FAILURES.get(event.failure, f"the transport failed: {event.failure}")
        return Failure(bot, f"handover_{event.failure}", message)

    def left(self, bot: Bot) -> None:
        """Forget the changes of a bot that leaves."""
        self._pending = {key: one for key, one in self._pending.items() if one[0] is not bot}

    def window_ended(self, at_ns: int) -> list[Failure]:
        """Fail the changes that are not complete at the end of a window; return the failures."""
        failures = []
        for bot, started_ns in self._pending.values():
            self._add(AddressChange(bot, started_ns, None, None, "unfinished"))
            elapsed_s = (at_ns - started_ns) / _NS_PER_S
            message = f"not complete {elapsed_s:.1f} s later, when the window ended"
            failures.append(Failure(bot, "handover_unfinished", message))
        self._pending.clear()
        return failures

    def within(
        self, bounds_ns: Sequence[tuple[int, int]], members: Container[int] | None = None
    ) -> Iterator[AddressChange]:
        """Return the changes that started in some windows, of all bots or of some."""
        for change in self.changes:
            if any(map(change.is_within, bounds_ns)) and (
                members is None or change.bot.index in members
            ):
                yield change

    def _add(self, change: AddressChange) -> None:
        if len(self.changes) < _MAX_CHANGES:
            self.changes.append(change)
