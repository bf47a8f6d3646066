"""The load and the machine of a run, as its report describes them."""

from sfukit.loadgen import result, scenario
from sfukit.loadgen.ledger import Ledger
from sfukit.loadgen.options import RunOptions
from sfukit.loadgen.placement import Cores
from sfukit.loadgen.scenario import Plan
from sfukit.machine import Machine


def load(plan: Plan, options: RunOptions, ledger: Ledger) -> result.Scenario:
    """Return the load as planned, with the SRTP profiles that were negotiated."""
    load = plan.options
    return result.Scenario(
        name=load.scenario,
        clients=len(plan.bots),
        rooms=len(plan.rooms),
        tracks=plan.tracks,
        codec=load.codec,
        encodings=[encoding.clip.name for encoding in plan.encodings] if plan.has_video else [],
        audio=any(bot.audio for bot in plan.bots),
        ramp_per_s=load.ramp_per_s,
        ramp_s=plan.ramp.span_s,
        warmup_s=load.warmup_s,
        duration_s=load.duration_s,
        srtp=options.srtp,
        srtp_negotiated=dict(ledger.profiles),
        pacing=options.pacing,
        unwatched=options.unwatched,
        impaired_clients=sum(bot.impaired for bot in plan.bots),
        net_up=load.net_up,
        net_down=load.net_down,
        summary=scenario.plan_line(plan),
    )


def environment(machine: Machine, cores: Cores) -> result.Environment:
    """Return the machine of the run."""
    return result.Environment(
        kernel=machine.kernel,
        cpu_model=machine.cpu_model,
        cores=machine.cores,
        rmem_max=machine.rmem_max,
        wmem_max=machine.wmem_max,
        placement=result.Placement(
            pin=cores.pin,
            server=list(cores.server),
            swarm=list(cores.swarm),
            cores_swapped=cores.cores_swapped,
        ),
        free_page_reporting=machine.free_page_reporting,
        pagelist_high_fraction=machine.pagelist_high_fraction,
        page_reporting_order=machine.page_reporting_order,
    )
