"""The options that every measurement through a target has, of load tests and of latency."""

import secrets
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from sfukit import units
from sfukit.cli import access_options
from sfukit.cli.access_options import ACCESS
from sfukit.cli.option import choice, option
from sfukit.cli.shared_options import OUTPUT
from sfukit.gates import Gate as ParsedGate
from sfukit.loadgen.options import LoadOptions, RunOptions, SrtpProfile
from sfukit.swarm import network_presets
from sfukit.swarm.impairment import Impairment

_MEDIA, _NETWORK, _GATES, _CPU = "Media", "Network", "Gates", "CPU"
_SEEDS = 1_000_000  # two runs on one server have rooms of their own

Target = Annotated[
    str | None,
    typer.Argument(
        metavar="[TARGET]",
        help="http(s)://HOST:PORT of an sfukit server or a WHIP URL; [KIND+]URL forces sfukit+, "
        "whip+, janus+, livekit+, galene+; {room} and {n} are substituted. "
        "None: starts a private server",
        show_default=False,
    ),
]
Play = Annotated[
    str | None,
    option(
        "--play",
        panel=ACCESS,
        metavar="URL",
        help="WHEP URL that plays what the WHIP target publishes",
    ),
]
TargetPlugin = Annotated[
    str | None,
    option(
        "--target-plugin",
        panel=ACCESS,
        metavar="MODULE:CLASS",
        help="class that joins TARGET; of an installed module, or ./file.py:Class",
    ),
]
Codec = Annotated[str, option("--codec", panel=_MEDIA, help="vp8 or h264")]
Srtp = Annotated[str, option("--srtp", panel=_MEDIA, help="profiles offered: auto, gcm128 or cm80")]
Net = Annotated[
    str | None,
    option(
        "--net",
        panel=_NETWORK,
        metavar="NAME",
        help="wifi-lossy, lte, 3g, satellite or congested-office, both ways",
    ),
]
NetUp = Annotated[
    str | None,
    option(
        "--net-up",
        panel=_NETWORK,
        metavar="SPEC",
        help="bots to server: rate=2M,queue=300ms,delay=50ms,jitter=10ms,loss=1%[,burst=4], "
        "loss=ge:P,R,H,K; shared=5: 5 bots behind one queue; wins over --net by key",
    ),
]
NetDown = Annotated[
    str | None, option("--net-down", panel=_NETWORK, metavar="SPEC", help="server to bots")
]
Gate = Annotated[
    list[str] | None,
    option(
        "-T", panel=_GATES, metavar="GATE", help="PATH OP VALUE, such as e2e_frame_ms.p95<200ms"
    ),
]
Seed = Annotated[
    int | None,
    option("--seed", panel=OUTPUT, help="seed of an earlier run (default random, printed)"),
]
AllowHost = Annotated[
    list[str] | None,
    option("--allow-host", panel=ACCESS, metavar="HOST", help="allow more than 2 clients on HOST"),
]
ServerArgs = Annotated[
    str,
    option("--server-args", panel=_CPU, metavar="'ARGS'", help="options for the private server"),
]


def run_options(
    values: Mapping[str, Any], load: LoadOptions, gates: Sequence[ParsedGate]
) -> RunOptions:
    """Return the options of a run that these values set; a value is that of its option."""
    from sfukit.targets.detect import parse_play

    play = values["play"]
    return RunOptions(
        load=load,
        command=("sfukit", *sys.argv[1:]),
        access=access_options.access(
            values["token"],
            values["api_key"],
            values["api_secret"],
            values["header"],
            values["cacert"],
            values["insecure"],
            values["allow_host"],
        ),
        target=values["target"],
        target_plugin=values["target_plugin"],
        play=None if play is None else parse_play(play),
        srtp=choice(values["srtp"], "--srtp", SrtpProfile),
        join_timeout_s=units.duration_s(values["join_timeout"], "--join-timeout"),
        server_args=tuple(shlex.split(values["server_args"])),
        gates=tuple(gates),
    )


def networks(values: Mapping[str, Any]) -> tuple[Impairment | None, Impairment | None]:
    """Read ``--net`` with ``--net-up`` and ``--net-down``."""
    return network_presets.directions(
        values["net"], values["net_up"], values["net_down"], ("--net", "--net-up", "--net-down")
    )


def seed(values: Mapping[str, Any]) -> int:
    """Return the seed of the option, else a random one."""
    given: int | None = values["seed"]
    return secrets.randbelow(_SEEDS) if given is None else given
