"""Reports for the tests of their other forms: a plain run, a hostile one, a large one."""

import random
from collections.abc import Sequence
from typing import Any

import msgspec

from sfukit.gates import GateResult
from sfukit.loadgen.result.report import (
    Fault,
    FrameDelay,
    LoadtestReport,
    Metric,
    RelayUse,
    RetriedJoins,
    Saturation,
    Worst,
)
from sfukit.loadgen.result.series import Client, Interval, Phase
from tests.unit.loadgen.test_summary import Run

HOSTILE = "</script><script>alert(1)</script>|`<b>\u202e\x1b[2J\ufffe\n# x"


def passed() -> LoadtestReport:
    """Return the report of two clients that passed, with a series."""
    run = Run()
    run.join()
    return changed(run.report(), series=intervals(5, 2), command_line="sfukit loadtest -c 2")


def changed(report: LoadtestReport, **changes: Any) -> LoadtestReport:
    return msgspec.structs.replace(report, **changes)


def gate(ok: bool | None, path: str = "rtt_ms.p95") -> GateResult:
    return GateResult(
        gate=f"{path} < 5 ms",
        path=path,
        op="<",
        bound=5.0,
        unit="ms",
        value=None if ok is None else 4.0 if ok else 6.0,
        ok=ok,
        default=False,
    )


def saturated() -> Saturation:
    return Saturation(side="swarm", reasons=["load generator 90 ms late (lag p99)"])


def relayed() -> LoadtestReport:
    """Return the report of clients behind a TURN server, whose frame delays are unknown."""
    made = passed()
    return changed(
        made,
        metrics=made.metrics | {"e2e_frame_ms": Metric(unit="ms", count=0)},
        relay=RelayUse(
            uri="turns:[2001:db8:ffff:ffff:ffff:ffff:ffff:ffff]:5349?transport=tcp",
            protocol="tls",
            clients=1,
            allocations=3,
            failures={"turn_timeout": 2},
        ),
        retried_joins=RetriedJoins(
            attempts=3, clients=2, clients_joined=1, codes={"connect_timeout": 3}
        ),
        frame_delay=FrameDelay(
            mode="auto",
            unmeasured=99,
            reasons=["VP9, 2 streams: the target forwards no abs-capture-time"],
        ),
    )


def hostile() -> LoadtestReport:
    """Return a report whose texts, which servers and files can choose, are an attack."""
    made = passed()
    return changed(
        made,
        reasons=[HOSTILE],
        relay=RelayUse(uri=HOSTILE, protocol="udp", allocations=0, failures={HOSTILE: 1}),
        retried_joins=RetriedJoins(attempts=1, clients=1, codes={HOSTILE: 1}),
        frame_delay=FrameDelay(mode="auto", reasons=[HOSTILE]),
        errors=[Fault(code=HOSTILE, message=HOSTILE, count=1, first=HOSTILE)],
        worst=[
            Worst(
                room=HOSTILE,
                bot=HOSTILE,
                source=HOSTILE,
                metric=HOSTILE,
                value=1.0,
                unit="ms",
                note=HOSTILE,
            )
        ],
        switches={HOSTILE: 1},
        target=msgspec.structs.replace(made.target, url=f"http://{HOSTILE}", private=False),
        scenario=msgspec.structs.replace(
            made.scenario, summary=HOSTILE, srtp_negotiated={HOSTILE: 1}
        ),
        gates=[msgspec.structs.replace(gate(False), gate=HOSTILE)],
        command_line=HOSTILE,
        clients=[
            msgspec.structs.replace(one, failure=HOSTILE, name=HOSTILE, room=HOSTILE)
            for one in made.clients
        ],
    )


def large(clients: int = 500, seconds: int = 635) -> LoadtestReport:
    """Return the report of a run of 500 participants, 10 minutes."""
    drawn = random.Random(1)
    made = passed()
    return changed(
        made,
        scenario=msgspec.structs.replace(made.scenario, clients=clients, rooms=clients // 5),
        series=intervals(seconds, clients),
        clients=[_client(number, drawn) for number in range(clients)],
    )


def intervals(count: int, clients: int) -> Sequence[Interval]:
    """Return intervals of a second: a ramp, a warm-up, a window."""
    drawn = random.Random(2)
    return [
        Interval(
            start_s=float(second),
            end_s=second + 1.0,
            phase="ramp"
            if second < count / 5
            else "warm-up"
            if second < count / 3
            else "measuring",
            joined=min(clients, second * 20),
            failed=0,
            tracks=second,
            bitrate_in_bps=8e6 * drawn.random(),
            bitrate_out_bps=9e6 * drawn.random(),
            loss_raw=drawn.random() / 100,
            loss_after_rtx=drawn.random() / 1000,
            e2e_frame_p50_ms=5 + drawn.random(),
            e2e_frame_p95_ms=15 + 5 * drawn.random(),
            e2e_frame_p99_ms=30 + 20 * drawn.random(),
            rtt_p95_ms=drawn.random(),
            lag_p99_ms=drawn.random(),
            unsent=0,
            generator_cores=0.7 + drawn.random() / 10,
            server_cores=0.6 + drawn.random() / 10,
        )
        for second in range(count)
    ]


def _phase(share: float) -> Phase:
    return "ramp" if share < 1 / 5 else "warm-up" if share < 1 / 3 else "measuring"


def _client(number: int, drawn: random.Random) -> Client:
    joined = number != 7
    return Client(
        room=f"room-{number // 5 + 1}",
        name=f"p{number % 5 + 1}",
        joined=joined,
        failure="" if joined else "connect_timeout",
        join_ms=100 * drawn.random() if joined else None,
        ttff_ms=300 * drawn.random() if joined else None,
        tracks=8 * joined,
        planned_tracks=8,
        e2e_frame_p95_ms=50 * drawn.random() if joined else None,
        loss_raw=drawn.random() / 100 if joined else None,
        loss_after_rtx=drawn.random() / 1000 if joined else None,
        freeze_est=drawn.random() / 100 if joined else None,
        bitrate_in_bps=1e6 * drawn.random() if joined else None,
        impaired=False,
    )
