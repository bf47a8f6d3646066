"""The report of a TURN probe: its JSON, the paths of gates, and the verdict."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from sfukit import gates, report
from sfukit.errors import ExitCode
from sfukit.gates import GateResult
from sfukit.probe.finding import Finding, Step
from sfukit.probe.turn.allocations import Allocations
from sfukit.probe.turn.figures import Percentiles, RelayFigures, Throughput

SCHEMA = report.schema_id("turn-probe")
INTERRUPTED = "interrupted"

# steps after the first response: where one of them is reached, the server answered
_ANSWERED = frozenset(
    ("alternate", "auth", "allocate", "peer", "permission", "channel", "echo", "refresh", "delete")
)
_SPOKEN_CAUSES = frozenset(("realm_missing", "answer_unsigned"))


class VariantReport(msgspec.Struct, frozen=True, kw_only=True):
    """One server over one transport: whether it relays, or the cause; every step with its time.

    ``alternate`` is the address of a 300; ``server`` is then the same. ``relays`` is null where the
    security is tested and the server refuses the probe's peer.
    """

    variant: str
    endpoint: str
    relays: bool | None
    cause: str | None
    steps: list[Step]
    server: str | None = None
    alternate: str | None = None
    relay_address: str | None = None
    mapped_address: str | None = None
    peer: str | None = None
    figures: RelayFigures | None = None
    throughput: Throughput | None = None
    allocations: Allocations | None = None
    security: list[Finding] = []

    @property
    def answered(self) -> bool:
        """Whether the server answered at all."""
        if self.cause in _SPOKEN_CAUSES:
            return True
        return any(step.name in _ANSWERED and step.state != "skipped" for step in self.steps)

    @property
    def interrupted(self) -> bool:
        """Whether the probe was interrupted; ``cause`` is an earlier failure, if any."""
        return any(step.name == INTERRUPTED for step in self.steps)


class ServerReport(msgspec.Struct, frozen=True, kw_only=True):
    """One URI with its variants."""

    uri: str
    variants: list[VariantReport]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The worst values of all variants that relay, for gates."""

    rtt_ms: Percentiles = Percentiles()
    loss: float | None = None
    jitter_ms: float | None = None
    overhead_ms: float | None = None
    bitrate_bps: float | None = None
    throughput_loss: float | None = None


class TurnReport(report.Envelope, kw_only=True, frozen=True):
    """The JSON of ``sfukit turn-probe``."""

    servers: list[ServerReport]
    relay: Summary
    relaying: int
    requested: int
    gates: list[GateResult]
    reasons: list[str]


def catalogue() -> Mapping[str, str]:
    """List the paths of gates with their units."""
    return {
        **{f"relay.rtt_ms.{name}": "ms" for name in ("p50", "p95", "p99", "max")},
        "relay.loss": "ratio",
        "relay.jitter_ms": "ms",
        "relay.overhead_ms": "ms",
        "relay.bitrate_bps": "bit/s",
        "relay.throughput_loss": "ratio",
        "relaying": "variants",
    }


def build(servers: Sequence[ServerReport], wanted: Sequence[gates.Gate]) -> TurnReport:
    """Summarize and judge: every variant relays, no forbidden peer is open, gates hold."""
    variants = [variant for server in servers for variant in server.variants]
    worst = _worst(variants)
    relaying = sum(variant.relays is True for variant in variants)
    judged = gates.judge(wanted, _figures(worst, relaying))
    reasons = _reasons(servers, judged)
    exit_code = _exit_code(variants, judged)
    verdicts: dict[ExitCode, report.Verdict] = {
        ExitCode.OK: "pass",
        ExitCode.INCONCLUSIVE: "inconclusive",
        ExitCode.INTERRUPTED: "inconclusive",
    }
    return TurnReport(
        schema=SCHEMA,
        command="turn-probe",
        verdict=verdicts.get(exit_code, "fail"),
        exit_code=exit_code,
        servers=list(servers),
        relay=worst,
        relaying=relaying,
        requested=len(variants),
        gates=judged,
        reasons=reasons,
    )


def _exit_code(variants: Sequence[VariantReport], judged: Sequence[GateResult]) -> ExitCode:
    if any(variant.interrupted for variant in variants):
        return ExitCode.INTERRUPTED
    if not any(variant.answered for variant in variants):
        return ExitCode.TARGET
    broken = any(
        variant.relays is False or _is_open(variant) or _too_few(variant) for variant in variants
    )
    if broken or any(gate.ok is False for gate in judged):
        return ExitCode.FAILED
    if any(gate.ok is None for gate in judged):
        return ExitCode.INCONCLUSIVE
    return ExitCode.OK


def _is_open(variant: VariantReport) -> bool:
    return any(finding.state == "bad" for finding in variant.security)


def _too_few(variant: VariantReport) -> bool:
    many = variant.allocations
    return many is not None and many.granted < many.requested


def _reasons(servers: Sequence[ServerReport], judged: Sequence[GateResult]) -> list[str]:
    reasons: list[str] = []
    for server in servers:
        for variant in server.variants:
            label = f"{server.uri} {variant.variant}"
            if variant.relays is False:
                reasons.append(f"{label}: {variant.cause}")
            if _too_few(variant) and variant.allocations is not None:
                many = variant.allocations
                reasons.append(f"{label}: {many.granted} of {many.requested} allocations")
            reasons += [f"{label}: {one.text}" for one in variant.security if one.state == "bad"]
    reasons += [
        f"{gate.gate}: it is {gates.show(gate.value, gate.unit)}"
        for gate in judged
        if gate.ok is not True
    ]
    return reasons


def _worst(variants: Sequence[VariantReport]) -> Summary:
    figures = [one.figures for one in variants if one.figures is not None]
    loads = [one.throughput for one in variants if one.throughput is not None]
    rtt = Percentiles(
        p50=_highest(one.rtt_ms.p50 for one in figures),
        p95=_highest(one.rtt_ms.p95 for one in figures),
        p99=_highest(one.rtt_ms.p99 for one in figures),
        max=_highest(one.rtt_ms.max for one in figures),
    )
    return Summary(
        rtt_ms=rtt,
        loss=_highest(one.loss for one in figures),
        jitter_ms=_highest(one.jitter_ms for one in figures),
        overhead_ms=_highest(one.overhead_ms for one in figures),
        bitrate_bps=min((one.bitrate_bps for one in loads), default=None),
        throughput_loss=_highest(one.loss for one in loads),
    )


def _highest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _figures(worst: Summary, relaying: int) -> dict[str, gates.Value]:
    rtt = worst.rtt_ms
    return {
        "relay.rtt_ms.p50": rtt.p50,
        "relay.rtt_ms.p95": rtt.p95,
        "relay.rtt_ms.p99": rtt.p99,
        "relay.rtt_ms.max": rtt.max,
        "relay.loss": worst.loss,
        "relay.jitter_ms": worst.jitter_ms,
        "relay.overhead_ms": worst.overhead_ms,
        "relay.bitrate_bps": worst.bitrate_bps,
        "relay.throughput_loss": worst.throughput_loss,
        "relaying": float(relaying),
    }
