"""The load of a case: groups of clients, their networks over time, TCP-like flows. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import msgspec

from sfukit.errors import UsageError
from sfukit.loadgen.options import Group, LoadOptions, Phase
from sfukit.loadgen.rfc8867.cases import (
    CASES,
    JITTER_MS,
    SHORT_BYTES,
    SHORT_IDLE_MS,
    Case,
    scaled,
    share_at,
)
from sfukit.loadgen.scenario import Plan, plan
from sfukit.swarm import impairment
from sfukit.swarm.impairment import Impairment
from sfukit.swarm.messages import AddFlow, Network, Transfers

SOURCE = "source"
_BOTTLENECK = "case"
_WARMUP_S = 3.0
_RAMP_PER_S = 10.0
_SHORTEST_S = 5.0
_NS_PER_S = 1e9


def flow_group(number: int) -> str:
    """Return the group of a flow, from 1."""
    return f"flow-{number}"


def back_group(number: int) -> str:
    """Return the group of a flow over the back path, from 1."""
    return f"back-{number}"


def case_of(options: LoadOptions) -> Case:
    """Return the case of a load, on its time line."""
    assert options.rfc8867 is not None
    return scaled(CASES[options.rfc8867], options.duration_s)


def load(
    name: str,
    seed: int,
    *,
    duration_s: float | None = None,
    net_up: str | None = None,
    net_down: str | None = None,
) -> LoadOptions:
    """Return the load of a case; ``net_up`` and ``net_down`` change keys of its paths."""
    if name not in CASES:
        raise UsageError(
            f"--rfc8867 {name}: no such case", hint=f"choose one of {', '.join(CASES)}"
        )
    case = CASES[name]
    if duration_s is not None and duration_s < _SHORTEST_S:
        raise UsageError(f"--duration {duration_s:g} s: too short for a case", hint="try 20s")
    case = scaled(case, duration_s or case.duration_s)
    networks = {
        group: (
            up if net_up is None else impairment.parse(net_up, "--net-up", up),
            down if net_down is None else impairment.parse(net_down, "--net-down", down),
        )
        for group, (up, down) in _networks(case, 0.0).items()
    }
    options = LoadOptions(
        rfc8867=name,
        groups=tuple(_groups(case, networks)),
        rooms=1,
        audio="none",
        ramp_per_s=_RAMP_PER_S,
        warmup_s=_WARMUP_S,
        duration_s=case.duration_s,
        seed=seed,
    )
    start_s = plan(options).windows[0].start_s
    return replace(
        options,
        groups=tuple(_later(group, start_s) for group in options.groups),
        phases=tuple(_phases(case, networks, start_s)),
    )


def tcp_flows(whole: Plan, start_ns: int) -> list[AddFlow]:
    """Return the TCP-like flows of a case; ``start_ns`` is the first scheduled join."""
    if whole.options.rfc8867 is None:
        return []
    case = case_of(whole.options)
    first = next(bot for bot in whole.slots if bot.group and bot.group.name == flow_group(1))
    assert first.group is not None
    forward = first.group.net_down
    network = Network.of(forward, whole.bottlenecks.get((first.slot, "down")))
    assert network is not None
    network = msgspec.structs.replace(network, jitter_ms=0.0)
    window = whole.windows[0]
    transfers = Transfers(
        min_bytes=SHORT_BYTES[0], max_bytes=SHORT_BYTES[1], mean_idle_ms=SHORT_IDLE_MS
    )
    return [
        AddFlow(
            flow=number,
            network=network,
            back_delay_ms=first.group.net_up.delay_ms if first.group.net_up else 0.0,
            transfers=transfers if case.short else None,
            start_ns=start_ns + round(window.start_s * _NS_PER_S),
            end_ns=start_ns + round(window.end_s * _NS_PER_S),
        )
        for number in range(1, case.tcp + 1)
    ]


def _networks(case: Case, at_s: float) -> Mapping[str, tuple[Impairment, Impairment | None]]:
    """Return the networks of the groups at a time, up and down."""
    forward_bps = round(case.capacity_bps * share_at(case.forward, at_s))
    back_bps = None
    if case.back is not None:
        back_bps = round(case.capacity_bps * share_at(case.back, at_s))
    found: dict[str, tuple[Impairment, Impairment | None]] = {}
    for number, flow in enumerate(case.flows, 1):
        delay_ms, queue_ms = flow.one_way_ms, case.queue_ms
        down = Impairment(
            rate_bps=forward_bps, queue_ms=queue_ms, delay_ms=delay_ms, jitter_ms=JITTER_MS
        )
        up = Impairment(rate_bps=back_bps, queue_ms=queue_ms, delay_ms=delay_ms)
        found[flow_group(number)] = up, down
    for number in range(1, case.back_flows + 1):
        up = Impairment(rate_bps=back_bps, queue_ms=case.queue_ms, delay_ms=50.0)
        found[back_group(number)] = up, None
    return found


def _groups(
    case: Case, networks: Mapping[str, tuple[Impairment, Impairment | None]]
) -> Iterator[Group]:
    # what flows over the back path is seen at medium size: one encoding of 500 kb/s each
    yield Group(name=SOURCE, clients=1, subscribes=case.back_flows > 0, layout="grid3")
    for name, (up, down) in networks.items():
        is_back = down is None
        number = 0 if is_back else int(name.rpartition("-")[2])
        flow = case.flows[number - 1] if number else None
        yield Group(
            name=name,
            clients=1,
            video=is_back,
            audio=False,
            subscribes=not is_back,
            layout="all",
            net_up=up,
            net_down=down,
            bottleneck=_BOTTLENECK,
            sources=(SOURCE,),
            joins_s=flow.start_s if flow and flow.start_s else None,
            paused_s=flow.paused_s if flow else None,
        )


def _later(group: Group, start_s: float) -> Group:
    """Return a group on the time line of the run; a case begins with the measured window."""
    return replace(
        group,
        joins_s=None if group.joins_s is None else group.joins_s + start_s,
        paused_s=None
        if group.paused_s is None
        else (group.paused_s[0] + start_s, group.paused_s[1] + start_s),
    )


def _phases(
    case: Case, first: Mapping[str, tuple[Impairment, Impairment | None]], start_s: float
) -> Iterator[Phase]:
    """Return the changes of capacity; what is not a rate stays as at the start."""
    times = sorted({at_s for at_s, _ in (*case.forward, *(case.back or ())) if at_s > 0})
    for at_s in times:
        for group, (up, down) in _networks(case, at_s).items():
            first_up, first_down = first[group]
            yield Phase(
                start_s + at_s,
                msgspec.structs.replace(first_up, rate_bps=up.rate_bps),
                None
                if down is None or first_down is None
                else msgspec.structs.replace(first_down, rate_bps=down.rate_bps),
                group,
            )
