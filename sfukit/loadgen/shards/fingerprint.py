"""The fingerprint of a plan: equal for processes that take shares of the same load."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import msgspec

from sfukit import __version__
from sfukit.loadgen.options import RunOptions
from sfukit.loadgen.scenario import Plan
from sfukit.redaction import redacted

_LENGTH = 16


def described(plan: Plan, options: RunOptions) -> dict[str, str]:
    """Return what a plan is made of, as JSON by name; secrets are hidden.

    The paths of scenario file and video file are no part of it: their contents are.
    """
    load = replace(plan.options, scenario_file=None, media=None)
    shard = options.shard
    parts: dict[str, object] = {
        **msgspec.to_builtins(load),
        "media": _contents(plan.options.media),
        "target": redacted(options.target or ""),
        "target_plugin": options.target_plugin,
        "play": redacted(options.play or ""),
        "srtp": options.srtp,
        "relay": "" if options.relay is None else str(options.relay.uri),
        "pacing": options.pacing,
        "pli_policy": options.pli_policy,
        "unwatched": options.unwatched,
        "join_timeout_s": options.join_timeout_s,
        "retries": options.retries,
        "abort_after_s": options.abort_after_s,
        "interval_s": options.interval_s,
        "decode_sample": options.decode_sample,
        "gates": [str(gate) for gate in options.gates],
        "default_gates": options.default_gates,
        "shards": shard.count if shard is not None else 1,
        "sfukit": __version__,
        "visits": _visits(plan),
    }
    return {name: msgspec.json.encode(value).decode() for name, value in parts.items()}


def of(parts: Mapping[str, str]) -> str:
    """Return the fingerprint of what a plan is made of."""
    text = msgspec.json.encode(sorted(parts.items()))
    return hashlib.sha256(text).hexdigest()[:_LENGTH]


def differences(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    """Return what differs between two plans."""
    return [
        f"{name} {one.get(name, 'absent')} and {other.get(name, 'absent')}"
        for name in sorted({*one, *other})
        if one.get(name) != other.get(name)
    ]


def _contents(file: Path | None) -> str | None:
    """Return a hash of a file; it may be gone at the end of a run."""
    if file is None:
        return None
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()[:_LENGTH]
    except OSError:
        return "unreadable"


def _visits(plan: Plan) -> str:
    """Return a hash of who joins which room when."""
    visits = [
        (visit.bot.index, visit.bot.name, visit.bot.room, visit.joins_s, visit.leaves_s)
        for visit in plan.attendance.visits
    ]
    return hashlib.sha256(msgspec.json.encode(visits)).hexdigest()[:_LENGTH]
