"""The load of a run, as its report describes it."""

from sfukit.loadgen import scenario
from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.options import RunOptions
from sfukit.loadgen.result import report as result
from sfukit.loadgen.scenario import Plan


def load(plan: Plan, options: RunOptions, ledger: Ledger) -> result.Scenario:
    """Return the load as planned, with the SRTP profiles that were negotiated."""
    load = plan.options
    return result.Scenario(
        name=f"rfc8867 {load.rfc8867}" if load.rfc8867 else load.scenario_file or load.scenario,
        clients=len(plan.slots),
        rooms=len(plan.rooms),
        tracks=plan.all_tracks,
        codec=load.codec,
        encodings=[encoding.clip.name for encoding in plan.encodings] if plan.has_video else [],
        audio=any(bot.audio for bot in plan.bots),
        ramp_per_s=load.ramp_per_s,
        ramp_s=plan.ramp.span_s,
        warmup_s=load.warmup_s,
        duration_s=sum(one.duration_s for one in load.stages) or load.duration_s,
        churn_per_s=load.churn_per_s,
        layout=plan.views.layout,
        speaker_switch_s=load.speaker_switch_s,
        handover_s=load.handover_s,
        srtp=options.srtp,
        srtp_negotiated=dict(ledger.profiles),
        pacing=options.pacing,
        unwatched=options.unwatched,
        impaired_clients=sum(bot.impaired for bot in plan.slots),
        net_up=load.net_up,
        net_down=load.net_down,
        phases=[result.NetworkPhase(**phase._asdict()) for phase in load.phases],
        summary=scenario.plan_line(plan),
    )


def relay(plan: Plan, options: RunOptions, ledger: Ledger) -> result.RelayUse | None:
    """Return the use of the TURN server; None where no client uses one."""
    if options.relay is None or not plan.relayed_slots:
        return None
    return result.RelayUse(
        uri=str(options.relay.uri),
        protocol=options.relay.variant,
        clients=plan.relayed_slots,
        allocations=len(ledger.relays.made),
        failures=dict(ledger.relays.failures),
    )
