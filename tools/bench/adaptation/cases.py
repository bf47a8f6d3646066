"""The cases: load, capacity over time, and the reach of each figure."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from sfukit.loadgen.rfc8867.cases import CASES as RFC
from sfukit.loadgen.scenario.media import LADDER
from tools.bench.adaptation.ideal import Steps, fair_shares
from tools.bench.figure import Reach, at_least, at_most

LOW, MIDDLE, HIGH = (one.clip.name for one in LADDER)
_MEGA = 1e6
_RFC_WARMUP_S = 3.0  # of --rfc8867


class Case(NamedTuple):
    """One case; ``steps`` is the capacity of a viewer in bit/s from a time of the window on.

    ``settles_s`` after the first frame the time in the ideal encoding counts. ``files`` give
    their text for a scale of times; they are written beside the run, and named in ``options``.
    ``clean`` is the case to compare with.
    """

    what: str
    options: Sequence[str]
    duration_s: float
    steps: Steps
    reach: Mapping[str, Reach]
    warmup_s: float = 2.0
    settles_s: float = 2.0
    audio: bool = True
    own_shape: bool = True
    least: str = MIDDLE
    files: Mapping[str, Callable[[float], str]] = {}
    clean: str | None = None


def _one(link: str, viewers: int = 1) -> list[str]:
    """Return the load of one publisher whose viewers have a link of their own each."""
    network = ("--net-down", f"queue=300ms,delay=50ms,{link}", "--net-up", "delay=50ms")
    return ["--scenario", "broadcast", "--clients", f"{viewers + 1}", *network]


def _rfc(name: str, what: str, reach: Mapping[str, Reach], *more: str) -> Case:
    case = RFC[name]
    return Case(
        what,
        ["--rfc8867", name, *more],
        case.duration_s,
        fair_shares(case),
        reach,
        settles_s=0.0,
        audio=False,
        own_shape=False,
    )


def _forward_phases(name: str, scale: float) -> str:
    """Return the capacities of a case as a file of phases; the first one is that of the run."""
    case = RFC[name]
    return "\n".join(
        f'[[phase]]\nat = "{_RFC_WARMUP_S + at_s * scale:g}s"\n'
        f'net_down = "rate={case.capacity_bps * share / 1e3:g}k"\n'
        for at_s, share in case.forward[1:]
    )


_VARIABLE: Mapping[str, Reach] = {
    "rise_s": at_most(3.0),
    "drop_s": at_most(1.0),
    "ideal_share": at_least(0.9),
    "freeze_est": at_most(0.003),
    "queue_p95_ms": at_most(80.0),
}
_SHARED: Mapping[str, Reach] = {
    "estimate_off": at_most(0.25),
    "ideal_share": at_least(0.8),
    "switches_per_10s": at_most(1.0),
}
_BESIDE = (
    *("--scenario", "broadcast", "--clients", "241", "--audio", "none", "--srtp", "gcm128"),
    *("--net-share", "8.333%", "--ramp", "100/s"),
)
_FOUR_GROUPS = """
[[group]]
name = "publishers"
clients = 4
publish = "video"
subscribe = false

[[group]]
name = "viewer"
clients = 1
publish = "none"
layout = "speaker"
net_down = "rate=3M,queue=300ms,delay=50ms"
net_up = "delay=50ms"
"""

CASES: Mapping[str, Case] = {
    "1m": Case(
        "1 Mb/s from the start",
        _one("rate=1M"),
        20,
        [(0, _MEGA)],
        {
            "settled_s": at_most(2.0),
            "ideal_share": at_least(0.95),
            "queue_p95_ms": at_most(45.0),
            "loss": at_most(0.003),
            "freeze_est": at_most(0.0),
        },
    ),
    "5m": Case(
        "5 Mb/s from the start",
        _one("rate=5M"),
        10,
        [(0, 5 * _MEGA)],
        {"settled_s": at_most(1.0)},
    ),
    "5.1": _rfc("5.1", "RFC 8867 5.1, variable capacity, 50 ms", _VARIABLE),
    "5.1-100": _rfc(
        "5.1",
        "RFC 8867 5.1, variable capacity, 100 ms",
        _VARIABLE,
        *("--net-down", "delay=100ms", "--net-up", "delay=100ms"),
    ),
    "5.2": _rfc("5.2", "RFC 8867 5.2, two viewers of one bottleneck", _SHARED),
    "5.3": _rfc(
        "5.3", "RFC 8867 5.3, congested feedback path", {"times_clean": at_least(0.9)}
    )._replace(clean="5.3-clean"),
    "5.3-clean": Case(
        "the capacities of 5.3 without the congested feedback path",
        [
            *("--scenario", "broadcast", "--clients", "2", "--audio", "none"),
            *("--net-down", "rate=2M,queue=300ms,delay=50ms,jitter=30ms", "--net-up", "delay=50ms"),
            *("--phases", "phases.toml"),
        ],
        RFC["5.3"].duration_s,
        fair_shares(RFC["5.3"]),
        {},
        warmup_s=_RFC_WARMUP_S,
        settles_s=0.0,
        audio=False,
        files={"phases.toml": partial(_forward_phases, "5.3")},
    ),
    "5.4": _rfc("5.4", "RFC 8867 5.4, three viewers of one bottleneck", _SHARED),
    "5.6": _rfc(
        "5.6",
        "RFC 8867 5.6, beside one long TCP-like flow",
        {"least_share": at_least(0.85), "longest_gap_ms": at_most(1_000.0)},
    ),
    "5.8": _rfc("5.8", "RFC 8867 5.8, pause and resume", {"gap_used_s": at_most(3.0)}),
    "random-5": Case(
        "5 % random loss, 5 Mb/s, 100 ms round trip",
        _one("rate=5M,loss=5%", viewers=8),
        30,
        [(0, 5 * _MEGA)],
        {
            "freeze_est": at_most(0.01),
            "longest_gap_ms": at_most(320.0),
            "retransmitted": at_most(0.12),
            "ideal_share": at_least(0.9),
            "least_share": at_least(1.0),
            "loss_after": at_most(0.003),
        },
    ),
    "burst-4": Case(
        "4 % loss in bursts of 8, 3 Mb/s, 100 ms round trip",
        _one("rate=3M,loss=4%,burst=8", viewers=8),
        30,
        [(0, 3 * _MEGA)],
        {
            "freeze_est": at_most(0.065),
            "longest_gap_ms": at_most(550.0),
            "ideal_share": at_least(0.9),
        },
    ),
    "random-2": Case(
        "2 % random loss, 5 Mb/s, 100 ms round trip",
        _one("rate=5M,loss=2%", viewers=8),
        30,
        [(0, 5 * _MEGA)],
        {"ideal_share": at_least(1.0), "loss_after": at_most(0.0005)},
    ),
    "jitter": Case(
        "30 ms jitter, 3 % loss in bursts of 8, 3 Mb/s",
        _one("rate=3M,jitter=30ms,loss=3%,burst=8", viewers=8),
        30,
        [(0, 3 * _MEGA)],
        {"ideal_share": at_least(0.85)},
    ),
    "four": Case(
        "4 publishers to one viewer of 3 Mb/s, one large and three small",
        ["--scenario", "scenario.toml", "--speaker-switch", "10s", "--audio", "none"],
        30,
        [(0, 3 * _MEGA)],
        {"large_share": at_least(0.9), "switch_p95_ms": at_most(1_000.0)},
        audio=False,
        files={"scenario.toml": lambda _scale: _FOUR_GROUPS},
    ),
    "beside": Case(
        "20 behind 1 Mb/s beside 220 free viewers",
        [*_BESIDE, "--net-down", "rate=1M,queue=300ms"],
        30,
        [(0, _MEGA)],
        {
            "settled_s": at_most(3.0),
            "switches_per_10s": at_most(1.0),
            "free_times_clean": at_most(1.05),
        },
        warmup_s=5.0,
        audio=False,
        clean="beside-clean",
    ),
    "beside-clean": Case(
        "the same 240 viewers, all free",
        [*_BESIDE, "--net-down", "loss=0%"],
        30,
        [(0, 5 * _MEGA)],
        {},
        warmup_s=5.0,
        audio=False,
    ),
}
