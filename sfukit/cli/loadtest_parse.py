"""The typed options of a load test, from what was typed on the command line."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import typer

from sfukit import gates, units
from sfukit.cli import loadtest_options as options
from sfukit.cli import (
    loadtest_rfc8867,
    relay_options,
    run_labels,
    saved_runs,
    shard_options,
    target_options,
)
from sfukit.cli.option import choice
from sfukit.errors import UsageError
from sfukit.gates import Gate
from sfukit.loadgen import presets
from sfukit.loadgen.options import (
    AudioCodec,
    Codec,
    LatencyMode,
    Layout,
    LoadOptions,
    Pacing,
    Phase,
    PliPolicy,
    RunOptions,
    ScenarioName,
    Unwatched,
)
from sfukit.loadgen.scenario import churn, handovers, stages
from sfukit.loadgen.scenario_file import phases
from sfukit.loadgen.scenario_file import read as scenario_file
from sfukit.loadgen.verdict import gate_figures

# Options of the report of one run, which a search has several of.
_OF_ONE_RUN = (
    *("html", "junit", "markdown", "csv", "hdr", "name", "tag", "start_at"),
    *("prometheus", "verbose", "baseline", "max_regression"),
)
_SHORTEST_SWITCH_S = 1.0


def values_of(context: typer.Context) -> dict[str, Any]:
    """Return the value of each option: as typed, else by a preset, else its default."""
    values = dict(context.params)
    typed = {name for name in values if is_typed(context, name)}
    in_file: Collection[str] = ()
    if str(values["scenario"]).endswith(".toml"):
        in_file = _apply_file(values, typed)
    # a search takes the load of a file, and --quick shortens it
    for option, preset, kept in (
        ("find_max", presets.FIND_MAX, {*typed, *in_file}),
        ("quick", presets.QUICK, typed),
    ):
        if values[option]:
            named = presets.preset(values, preset)
            if values["stage"] or values.get("groups") or values.get("stages"):
                named.pop("clients", None)
            values |= {name: value for name, value in named.items() if name not in kept}
    _refuse_contradictions(values, typed)
    loadtest_rfc8867.refuse_contradictions(values, typed)
    values["typed"] = typed
    return values


def _apply_file(values: dict[str, Any], typed: Collection[str]) -> Collection[str]:
    """Take the values of a scenario file where the command line has none; return their names."""
    found = scenario_file.read(values["scenario"])
    values["scenario_file"] = values["scenario"]
    values["scenario"] = found.values.get("scenario", "meeting")
    values |= {name: value for name, value in found.values.items() if name not in typed}
    values["groups"] = found.groups
    values["relayed_at"] = found.relayed_at
    values["stages"] = () if values["stage"] else found.stages
    if "gate" in typed and "gate" in found.values:
        values["gate"] = [*found.values["gate"], *values["gate"]]
    for name in ("clients", *presets.COMPOSITION):
        if found.groups and name in typed:
            option = name.replace("_", "-")
            raise UsageError(
                f"--{option} with the groups of a scenario file: they set the clients",
                hint=f"leave --{option} out, or give --rooms",
            )
    return found.values.keys()


def _refuse_contradictions(values: Mapping[str, Any], typed: Collection[str]) -> None:
    unsupported = [name for name in _OF_ONE_RUN if name in typed]
    if values["find_max"] and unsupported:
        raise UsageError(
            f"--{unsupported[0].replace('_', '-')} with --find-max: a search is several runs",
            hint="write its report with --json",
        )
    if values["find_max"] and values.get("groups"):
        raise UsageError(
            "--find-max with groups: they set the load", hint="search with --scenario NAME and -c"
        )
    if not (values["stage"] or values.get("stages")):
        return
    if values["find_max"]:
        raise UsageError("--find-max with --stage: a search sets the load", hint="leave one out")
    if "duration" in typed:
        raise UsageError(
            "--duration with --stage: each stage has its own", hint="leave --duration out"
        )


def run_options(
    values: Mapping[str, Any], catalogue: Mapping[str, str] | None = None
) -> RunOptions:
    """Return the options of a run; raise ``UsageError`` naming the faulty option.

    ``catalogue`` has the paths that gates may name, by default those of a load with media.
    """
    given = values["gate"] or []
    if values["rfc8867"] is not None:
        given = [*loadtest_rfc8867.GATES, *given]
    judged = [_gate(text, catalogue) for text in given]
    load = load_options(values)
    return replace(
        target_options.run_options(values, load, judged),
        pacing=choice(values["pacing"], "--pacing", Pacing),
        pli_policy=choice(values["pli_policy"], "--pli-policy", PliPolicy),
        unwatched=choice(values["unwatched"], "--unwatched", Unwatched),
        relay=relay_options.relay(values),
        retries=values["retries"],
        abort_after_s=_abort_after_s(values["abort_after"]),
        pin=values["pin"],
        interval_s=options.interval_s(values["interval"]),
        decode_sample=options.decode_sample(values["decode_sample"], load),
        default_gates=not values["no_default_gates"] and values["rfc8867"] is None,
        baseline=None if values["baseline"] is None else saved_runs.loadtest(values["baseline"]),
        max_regression=units.ratio(values["max_regression"], "--max-regression"),
        shard=shard_options.shard(values),
        start_at_s=shard_options.start_at_s(values["start_at"]),
        name=run_labels.name(values["name"]),
        tags=run_labels.tags(values["tag"] or ()),
    )


def _gate(text: str, catalogue: Mapping[str, str] | None) -> Gate:
    return gate_figures.parse(text) if catalogue is None else gates.parse(text, catalogue)


def load_options(values: Mapping[str, Any]) -> LoadOptions:
    """Return the load of a run."""
    if values["rfc8867"] is not None:
        load = loadtest_rfc8867.options(values, values["typed"], target_options.seed(values))
        return replace(
            load,
            codec=choice(values["codec"], "--codec", Codec),
            latency=choice(values["latency"], "--latency", LatencyMode),
            relay_only=values["relay_only"],
        )
    bitrate = values["bitrate"]
    net_up, net_down = target_options.networks(values)
    return LoadOptions(
        scenario=choice(values["scenario"], "--scenario", ScenarioName),
        scenario_file=values.get("scenario_file"),
        clients=values["clients"],
        rooms=values["rooms"],
        publishers=values["publishers"],
        audio_publishers=values["audio_publishers"],
        subscribers=values["subscribers"],
        codec=choice(values["codec"], "--codec", Codec),
        audio=choice(values["audio"], "--audio", AudioCodec),
        simulcast=not values["no_simulcast"],
        layers=options.layers(values["layers"]),
        fps=options.fps(values["fps"]),
        media=options.media(values["media"]),
        bitrate_bps=units.bitrate_bps(bitrate, "--bitrate") if bitrate else None,
        ramp_per_s=units.rate_per_s(values["ramp"], "--ramp"),
        warmup_s=units.duration_s(values["warmup"], "--warmup"),
        duration_s=units.duration_s(values["duration"], "--duration"),
        groups=values.get("groups", ()),
        stages=values.get("stages") or tuple(map(stages.parse, values["stage"] or ())),
        churn_per_s=churn.parse(values["churn"]) if values["churn"] else 0.0,
        layout=choice(values["layout"], "--layout", Layout) if values["layout"] else None,
        speaker_switch_s=_switch_s(values["speaker_switch"]),
        handover_s=handovers.parse(values["handover"]) if values["handover"] else None,
        latency=choice(values["latency"], "--latency", LatencyMode),
        relay_only=values["relay_only"],
        net_up=net_up,
        net_down=net_down,
        phases=_phases(values, (net_up, net_down)),
        net_share=units.ratio(values["net_share"], "--net-share"),
        seed=target_options.seed(values),
    )


def is_typed(context: typer.Context, name: str) -> bool:
    """Return whether an option was given."""
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _phases(values: Mapping[str, Any], run: phases.Networks) -> tuple[Phase, ...]:
    file = values["phases"]
    return () if file is None else phases.read(file, run, values.get("groups", ()))


def _switch_s(text: str | None) -> float | None:
    if text is None:
        return None
    switch_s = units.duration_s(text, "--speaker-switch")
    if switch_s < _SHORTEST_SWITCH_S:
        raise UsageError(f"--speaker-switch {text}: too short", hint="give 1s or more")
    return switch_s


def _abort_after_s(text: str | None) -> float | None:
    return None if text is None else units.duration_s(text, "--abort-after")
