"""Forward error correction beside retransmission, at random loss: what docs/audio.md says of it.

A video of 1.7 Mb/s in 30 frames a second crosses a link that loses packets at random and has a
round trip of 150 ms. Lost packets are requested as libwebrtc does (at the gap, then once per round
trip, ten times at most), and retransmissions are lost as well. FEC is XOR parity over the packets
of a frame, as ULPFEC and FlexFEC with one row have it; what it cannot repair is requested. A frame
is shown when it and all before it are complete, and not before the playout delay of the receiver:
none, or the round trip and a frame interval, as libwebrtc has it once it has sent NACKs. A gap
freezes the video from max(3 intervals, 1 interval + 150 ms) on.

    python tools/fec_simulation.py --seeds 20 --seconds 60
"""

import argparse
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

FRAME_S = 1 / 30
PACKET_S = 0.004  # between packets of a frame: paced
PACKETS = 6
ROUND_TRIP_S = 0.15
MOST_REQUESTS = 10
COPY_AFTER_S = 0.02
PLAYOUT_DELAY_S = ROUND_TRIP_S / 2 + PACKETS * PACKET_S + ROUND_TRIP_S + FRAME_S


@dataclass(frozen=True)
class Scheme:
    """Parity packets for each frame, and copies of each retransmission."""

    name: str
    parity: int = 0
    copies: int = 1


SCHEMES = (
    Scheme("retransmission"),
    Scheme("retransmission, a copy 20 ms later", copies=2),
    Scheme("FEC 1 of 7", parity=1),
    Scheme("FEC 2 of 8", parity=2),
    Scheme("FEC 3 of 9", parity=3),
    Scheme("FEC 1 of 7, and a copy", parity=1, copies=2),
    Scheme("FEC 2 of 8, and a copy", parity=2, copies=2),
)


@dataclass
class Outcome:
    """Figures of one scheme; times in seconds."""

    frozen_s: float = 0.0
    frozen_delayed_s: float = 0.0
    played_s: float = 0.0
    sent: int = 0
    media: int = 0
    delays_s: list[float] = field(default_factory=list)

    @property
    def frozen(self) -> float:
        """Share of the time in which the video stands."""
        return self.frozen_s / self.played_s

    @property
    def frozen_delayed(self) -> float:
        """The same with a playout delay."""
        return self.frozen_delayed_s / self.played_s

    @property
    def overhead(self) -> float:
        """Packets sent beside those of the video, as a share of these."""
        return self.sent / self.media - 1

    def delay_ms(self, percentile: float) -> float:
        """Return a percentile of the delay from the capture of a frame until it is shown."""
        ordered = sorted(self.delays_s)
        return 1e3 * ordered[min(len(ordered) - 1, int(percentile / 100 * len(ordered)))]


def simulate(scheme: Scheme, loss: float, seconds: float, seed: int) -> Outcome:
    """Send a video; the same seed loses the same first transmissions in each scheme."""
    outcome = Outcome()
    shown_s = delayed_s = 0.0
    for number in range(int(seconds / FRAME_S)):
        complete_s = _frame(scheme, loss, number, seed, outcome)
        due_s = number * FRAME_S + PLAYOUT_DELAY_S
        before_s, shown_s = shown_s, max(shown_s, complete_s)
        delayed_before_s, delayed_s = delayed_s, max(delayed_s, complete_s, due_s)
        outcome.delays_s.append(shown_s - number * FRAME_S)
        if number > 0:
            outcome.played_s += FRAME_S
            outcome.frozen_s += _frozen_s(shown_s - before_s)
            outcome.frozen_delayed_s += _frozen_s(delayed_s - delayed_before_s)
    return outcome


def _frozen_s(gap_s: float) -> float:
    return gap_s - FRAME_S if gap_s > max(3 * FRAME_S, FRAME_S + 0.15) else 0.0


def _frame(scheme: Scheme, loss: float, number: int, seed: int, outcome: Outcome) -> float:
    """Send one frame; return when all of it has arrived."""
    draws = random.Random(f"{seed} {number}")
    start_s = number * FRAME_S
    sent = PACKETS + scheme.parity
    outcome.media += PACKETS
    outcome.sent += sent
    arrives_s = [
        None if draws.random() < loss else start_s + at * PACKET_S + ROUND_TRIP_S / 2
        for at in range(sent)
    ]
    repairs = random.Random(f"repairs {seed} {number}")
    done_s = [
        at_s if at_s is not None else _requested(scheme, loss, at, arrives_s, repairs, outcome)
        for at, at_s in enumerate(arrives_s[:PACKETS])
    ]
    return max(_by_parity(scheme, arrives_s, done_s))


def _requested(
    scheme: Scheme,
    loss: float,
    lost: int,
    arrives_s: Sequence[float | None],
    draws: random.Random,
    outcome: Outcome,
) -> float:
    """Request a packet until it arrives; return when."""
    if _is_repaired(scheme, lost, arrives_s):
        return float("inf")
    # The gap shows with the next packet of the frame, at the latest with the next frame.
    later = [at_s for at_s in arrives_s[lost + 1 :] if at_s is not None]
    first = min(at_s for at_s in arrives_s if at_s is not None) if any(arrives_s) else 0.0
    noticed_s = later[0] if later else first + FRAME_S
    for attempt in range(MOST_REQUESTS):
        asked_s = noticed_s + attempt * ROUND_TRIP_S
        outcome.sent += scheme.copies
        arrived = [copy for copy in range(scheme.copies) if draws.random() >= loss]
        if arrived:
            return asked_s + ROUND_TRIP_S + arrived[0] * COPY_AFTER_S
    return noticed_s + MOST_REQUESTS * ROUND_TRIP_S


def _groups(scheme: Scheme) -> Iterator[tuple[int, list[int]]]:
    """List each parity packet with the packets that it protects: every nth of the frame."""
    for parity in range(scheme.parity):
        yield PACKETS + parity, list(range(parity, PACKETS, scheme.parity))


def _is_repaired(scheme: Scheme, lost: int, arrives_s: Sequence[float | None]) -> bool:
    for parity, protected in _groups(scheme):
        if lost in protected:
            others = [at for at in protected if at != lost]
            return all(arrives_s[at] is not None for at in [parity, *others])
    return False


def _by_parity(
    scheme: Scheme, arrives_s: Sequence[float | None], done_s: list[float]
) -> list[float]:
    for parity, protected in _groups(scheme):
        for lost in protected:
            if done_s[lost] == float("inf"):
                known = [at_s for at in [parity, *protected] if (at_s := arrives_s[at]) is not None]
                done_s[lost] = max(known)
    return done_s


def table(losses: Sequence[float], seconds: float, seeds: int) -> Iterator[str]:
    """Write the rows of a Markdown table."""
    yield "| loss | repair | packets added | frozen | with playout delay | delay p50 | p95 |"
    yield "|---|---|---|---|---|---|---|"
    for loss in losses:
        for scheme in SCHEMES:
            outcome = Outcome()
            for seed in range(seeds):
                one = simulate(scheme, loss, seconds, seed)
                outcome.frozen_s += one.frozen_s
                outcome.frozen_delayed_s += one.frozen_delayed_s
                outcome.played_s += one.played_s
                outcome.sent += one.sent
                outcome.media += one.media
                outcome.delays_s += one.delays_s
            delays = " | ".join(f"{outcome.delay_ms(rank):.0f} ms" for rank in (50, 95))
            yield (
                f"| {loss:.0%} | {scheme.name} | {outcome.overhead:.0%} | {outcome.frozen:.1%} "
                f"| {outcome.frozen_delayed:.2%} | {delays} |"
            )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    for line in table((0.02, 0.05, 0.10), options.seconds, options.seeds):
        print(line)


if __name__ == "__main__":
    main()
