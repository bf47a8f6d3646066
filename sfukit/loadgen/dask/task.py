"""The task of a worker that runs a shard, and its outcome: JSON without secrets.

A task has no field for tokens, keys, headers, permissions, plug-ins or files: schedulers keep, show
and log the arguments of tasks. Each worker reads what it needs from its own environment.
"""

import os
from typing import Annotated

import msgspec

from sfukit import config
from sfukit.errors import UsageError
from sfukit.gates import Gate
from sfukit.loadgen.options import (
    MOST_SAMPLED,
    LoadOptions,
    Pacing,
    PliPolicy,
    RunOptions,
    Shard,
    SrtpProfile,
    Unwatched,
)
from sfukit.targets.access import Access

_LARGEST_BYTES = 64 * 1024 * 1024


class ShardTask(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a run that a worker is given; ``ca_file`` is a path on the worker."""

    load: LoadOptions
    target: str
    play: str | None
    srtp: SrtpProfile
    pacing: Pacing
    pli_policy: PliPolicy
    unwatched: Unwatched
    join_timeout_s: float
    retries: int
    abort_after_s: float | None
    interval_s: float
    decode_sample: Annotated[int, msgspec.Meta(ge=0, le=MOST_SAMPLED)]
    gates: list[Gate]
    default_gates: bool
    ca_file: str | None
    insecure: bool
    name: str
    tags: dict[str, str]
    shard: Shard
    start_at_s: float


class ShardOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """The report of a shard as JSON, not decoded yet, or why there is none."""

    report: msgspec.Raw = msgspec.Raw(b"null")
    error: str | None = None


def encode(options: RunOptions, shard: Shard, start_at_s: float) -> bytes:
    """Return the task of one shard."""
    return msgspec.json.encode(
        ShardTask(
            load=options.load,
            target=options.target or "",
            play=options.play,
            srtp=options.srtp,
            pacing=options.pacing,
            pli_policy=options.pli_policy,
            unwatched=options.unwatched,
            join_timeout_s=options.join_timeout_s,
            retries=options.retries,
            abort_after_s=options.abort_after_s,
            interval_s=options.interval_s,
            decode_sample=options.decode_sample,
            gates=list(options.gates),
            default_gates=options.default_gates,
            ca_file=options.access.ca_file,
            insecure=options.access.insecure,
            name=options.name,
            tags=dict(options.tags),
            shard=shard,
            start_at_s=start_at_s,
        )
    )


def decode(task: bytes) -> RunOptions:
    """Return the options of a task, with the secrets and permissions of this machine."""
    try:
        found = msgspec.json.decode(task, type=ShardTask)
    except msgspec.DecodeError as error:
        raise UsageError(f"not a task of this version of sfukit: {error}") from error
    key, secret = (os.environ.get(name) or None for name in (config.API_KEY, config.API_SECRET))
    return RunOptions(
        load=found.load,
        command=("sfukit", "loadtest", found.target, "--shard", str(found.shard)),
        access=Access(
            api_key=key,
            api_secret=None if secret is None else config.secret(secret, config.API_SECRET),
            ca_file=found.ca_file,
            insecure=found.insecure,
            allow_hosts=config.allowed_hosts(),
        ),
        target=found.target,
        play=found.play,
        srtp=found.srtp,
        pacing=found.pacing,
        pli_policy=found.pli_policy,
        unwatched=found.unwatched,
        join_timeout_s=found.join_timeout_s,
        retries=found.retries,
        abort_after_s=found.abort_after_s,
        interval_s=found.interval_s,
        decode_sample=found.decode_sample,
        gates=tuple(found.gates),
        default_gates=found.default_gates,
        shard=found.shard,
        start_at_s=found.start_at_s,
        name=found.name,
        tags=found.tags,
    )


def outcome(answer: object) -> ShardOutcome:
    """Return the outcome that a worker answered with, from any source."""
    if not isinstance(answer, bytes) or len(answer) > _LARGEST_BYTES:
        return ShardOutcome(error="the answer of the worker is no report")
    try:
        return msgspec.json.decode(answer, type=ShardOutcome)
    except msgspec.DecodeError:
        return ShardOutcome(error="the answer of the worker is no report")
