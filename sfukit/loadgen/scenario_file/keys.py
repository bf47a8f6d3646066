"""The keys of a scenario file: the option that each sets, its type, its check."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, get_args

from sfukit import units
from sfukit.errors import UsageError
from sfukit.loadgen.options import (
    FRAME_RATES,
    MOST_LAYERS,
    AudioCodec,
    Codec,
    LatencyMode,
    Layout,
    Pacing,
    PliPolicy,
    ScenarioName,
    SrtpProfile,
    Unwatched,
)
from sfukit.loadgen.scenario import churn, handovers
from sfukit.loadgen.verdict import gate_figures
from sfukit.swarm import network_presets

Check = Callable[[Any, str], object]

PUBLISH = ("video+audio", "video", "audio", "none")


class Key(NamedTuple):
    """One key: the types of its value, and what checks it: value and place."""

    types: tuple[type, ...]
    check: Check
    expected: str


def _text(check: Callable[[str, str], object], expected: str = "a string") -> Key:
    return Key((str,), check, expected)


def _one_of(values: tuple[str, ...]) -> Key:
    def check(value: str, where: str) -> None:
        if value not in values:
            raise UsageError(
                f"{where} = {value!r}: unknown value", hint=f"choose one of {', '.join(values)}"
            )

    return Key((str,), check, f"one of {', '.join(values)}")


def _count(least: int) -> Key:
    def check(value: int, where: str) -> None:
        if not least <= value <= 1_000_000:
            raise UsageError(f"{where} = {value}: out of range", hint=f"give {least} or more")

    return Key((int,), check, f"a whole number from {least} on")


def _number_of(values: tuple[int, ...]) -> Key:
    text = ", ".join(map(str, values))

    def check(value: int, where: str) -> None:
        if value not in values:
            raise UsageError(f"{where} = {value}: unknown value", hint=f"choose one of {text}")

    return Key((int,), check, f"one of {text}")


def _gates(value: list[Any], where: str) -> None:
    for one in value:
        if not isinstance(one, str):
            raise UsageError(f"{where}: {one!r} is no string", hint="give 'PATH OP VALUE'")
        try:
            gate_figures.parse(one)
        except UsageError as error:
            raise UsageError(f"{where}: {error.what}", hint=error.hint) from error


_FLAG = Key((bool,), lambda value, where: None, "true or false")
_DURATION = _text(units.duration_s, "a duration such as '60s'")
# read with the preset that it may complete, in read.py
_NETWORK = _text(lambda value, where: None, "an impairment such as 'loss=1%,delay=40ms'")
_SHARE = _text(units.ratio, "a share such as '20%'")

RUN: Mapping[str, Key] = {
    "scenario": _one_of(get_args(ScenarioName)),
    "clients": _count(1),
    "rooms": _count(1),
    "publishers": _count(0),
    "subscribers": _count(0),
    "audio_publishers": _count(0),
    "ramp": _text(units.rate_per_s, "a rate such as '20/s'"),
    "warmup": _DURATION,
    "duration": _DURATION,
    "join_timeout": _DURATION,
    "retries": _count(0),
    "abort_after": _DURATION,
    "churn": _text(churn.parse, "a share per time such as '2%/m'"),
    "layout": _one_of(get_args(Layout)),
    "speaker_switch": _DURATION,
    "handover": _text(handovers.parse, "a duration such as '20s'"),
    "codec": _one_of(get_args(Codec)),
    "audio": _one_of(get_args(AudioCodec)),
    "simulcast": _FLAG,
    "layers": _number_of(tuple(range(1, MOST_LAYERS + 1))),
    "fps": _number_of(FRAME_RATES),
    "bitrate": _text(units.bitrate_bps, "a bitrate such as '500k'"),
    "pacing": _one_of(get_args(Pacing)),
    "pli_policy": _one_of(get_args(PliPolicy)),
    "unwatched": _one_of(get_args(Unwatched)),
    "latency": _one_of(get_args(LatencyMode)),
    "srtp": _one_of(get_args(SrtpProfile)),
    "net": _one_of(tuple(network_presets.PRESETS)),
    "net_up": _NETWORK,
    "net_down": _NETWORK,
    "net_share": _SHARE,
    "relay_only": _FLAG,
    "seed": _count(0),
    "gates": Key((list,), _gates, "a list of strings such as ['joins == 100%']"),
    "default_gates": _FLAG,
}
STAGE: Mapping[str, Key] = {"duration": _DURATION, "clients": _count(1)}
GROUP: Mapping[str, Key] = {
    "name": _text(lambda value, where: None),
    "clients": _count(1),
    "publish": _one_of(PUBLISH),
    "subscribe": _FLAG,
    "layout": RUN["layout"],
    "codec": RUN["codec"],
    "net": RUN["net"],
    "net_up": _NETWORK,
    "net_down": _NETWORK,
    "net_share": _SHARE,
    "relay_only": _FLAG,
}
NO_NETWORK = "none"
PHASE: Mapping[str, Key] = {
    "at": _DURATION,
    "group": _text(lambda value, where: None),
    "net": _one_of((*network_presets.PRESETS, NO_NETWORK)),
    "net_up": _NETWORK,
    "net_down": _NETWORK,
}
# An array of tables has its own check: any other key is unknown.
PHASES: Mapping[str, Key] = {"phase": Key((list,), lambda value, where: None, "[[phase]]")}
# A scenario file may come from another person: it names no programs, plug-ins, files or secrets.
COMMAND_LINE_ONLY = frozenset(
    (
        "target",
        "target_plugin",
        "play",
        "token",
        "api_key",
        "api_secret",
        "header",
        "cacert",
        "insecure",
        "allow_host",
        "turn",
        "turn_user",
        "turn_password",
        "turn_secret",
        "server_args",
        "pin",
        "json",
        "media",
        "phases",
    )
)
