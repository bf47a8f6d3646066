"""The share of a plan that a process takes: ``--shard``, ``--start-at``, or a Kubernetes job."""

import os
import re
import time
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from sfukit import config
from sfukit.cli.option import option
from sfukit.errors import UsageError
from sfukit.loadgen.options import Shard
from sfukit.loadgen.scenario.shares import MOST_SHARDS
from sfukit.loadgen.shards import start
from sfukit.redaction import redacted

SCALE = "Scale"
_SHARD = re.compile(r"(\d{1,6})/(\d{1,6})", re.ASCII)
_NUMBER = re.compile(r"\d{1,6}", re.ASCII)

ShardOption = Annotated[
    str | None,
    option(
        "--shard",
        panel=SCALE,
        metavar="I/N",
        help="share of the plan, as 2/5; needs TARGET and --seed; parts: sfukit report merge",
    ),
]
StartAt = Annotated[
    str | None,
    option(
        "--start-at",
        panel=SCALE,
        metavar="TIME",
        help="first join: RFC 3339, seconds since 1970, or +30s",
    ),
]
Workers = Annotated[
    int | None,
    option(
        "--workers",
        panel=SCALE,
        metavar="N",
        min=1,
        max=64,
        help="processes here that share the plan; needs TARGET",
    ),
]
Scheduler = Annotated[
    str | None,
    option(
        "--scheduler",
        panel=SCALE,
        metavar="ADDRESS",
        help="Dask cluster, tls://HOST:8786: a shard on each worker (extra dask)",
    ),
]
InsecureScheduler = Annotated[
    bool,
    option("--insecure-scheduler", panel=SCALE, help="allow tcp:// to another machine"),
]

# Options that a worker reads from its own environment, or that are of the process that loads.
_NOT_FOR_WORKERS = {
    "token": "workers sign tokens with their own SFUKIT_API_KEY and SFUKIT_API_SECRET",
    "api_key": "set SFUKIT_API_KEY on the workers",
    "api_secret": "set SFUKIT_API_SECRET on the workers",
    "header": "headers are secrets, which tasks do not carry",
    "allow_host": "each worker has its own permission: set SFUKIT_ALLOW_HOSTS there",
    "target_plugin": "workers load no plug-in that a task names",
    "relay_only": "its account is a secret, which tasks do not carry",
    "turn": "its account is a secret, which tasks do not carry",
    "pin": "the placement is that of each worker",
    "server_args": "no worker starts a server",
    "prometheus": "the metrics while running are those of each worker",
    "shard": "each worker gets a shard",
    "workers": "each worker is one process",
    "find_max": "a search is of one process",
    "baseline": "compare the report: sfukit report compare",
    "verbose": "see it: sfukit report last -v",
}


def check_scheduler(context: typer.Context) -> None:
    """Refuse what a cluster does not do, and secrets in what it would be told."""
    for name, reason in _NOT_FOR_WORKERS.items():
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            named = name.replace("_", "-")
            raise UsageError(f"--{named} with --scheduler: {reason}", hint=f"leave --{named} out")
    target, play = context.params["target"], context.params["play"]
    if target is None:
        raise UsageError("--scheduler without TARGET", hint="start `sfukit serve`, give its URL")
    for url in filter(None, (target, play)):
        if redacted(url) != url:
            raise UsageError(
                f"{redacted(url)} has a secret, and tasks carry none",
                hint="set SFUKIT_API_KEY and SFUKIT_API_SECRET on the workers",
            )


def check_workers(context: typer.Context) -> None:
    """Refuse what several processes cannot do."""
    values = context.params
    for name in ("shard", "find_max", "baseline", "prometheus", "verbose", "pin"):
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            named = name.replace("_", "-")
            raise UsageError(f"--{named} with --workers: it is of one process")
    if values["target"] is None:
        raise UsageError(
            "--workers without TARGET: the CPU of a private server is measured by one process",
            hint="start `sfukit serve`, and give its URL",
        )


def shard(values: Mapping[str, Any]) -> Shard | None:
    """Return the share of this process, by the option, else by the job that it is part of."""
    if values["scheduler"] is not None or values["workers"] is not None:
        if config.JOB_INDEX in os.environ:
            option = "scheduler" if values["workers"] is None else "workers"
            raise UsageError(
                f"--{option} in a pod of an Indexed Job: each pod would make the whole load",
                hint=f"leave --{option} out, or run it in a pod of another kind",
            )
        return None
    found = _of_job(os.environ) if values["shard"] is None else _parse(values["shard"])
    if found is not None:
        _refuse_contradictions(values, found)
    return found


def start_at_s(text: str | None) -> float | None:
    """Return the first join in seconds since 1970; None without ``--start-at``."""
    return None if text is None else start.parse(text, time.time())


def _parse(text: str) -> Shard:
    match = _SHARD.fullmatch(text)
    if match is None:
        raise UsageError(f"--shard {text}: not I/N", hint="such as --shard 2/5, the second of five")
    return _checked(Shard(int(match[1]), int(match[2])), f"--shard {text}")


def _of_job(environment: Mapping[str, str]) -> Shard | None:
    """Return the share of a pod of an Indexed Job of Kubernetes, whose indices count from 0."""
    index, count = environment.get(config.JOB_INDEX), environment.get(config.SHARDS)
    if index is None:
        return None
    where = f"{config.JOB_INDEX}={index}"
    if count is None:
        raise UsageError(
            f"{where}: a pod of an Indexed Job, and {config.SHARDS} is not set, so each pod would "
            "make the whole load",
            hint=f"set {config.SHARDS} to the completions of the job, or give --shard I/N",
        )
    where += f", {config.SHARDS}={count}"
    if not _NUMBER.fullmatch(index) or not _NUMBER.fullmatch(count):
        raise UsageError(f"{where}: not numbers")
    return _checked(Shard(int(index) + 1, int(count)), where)


def _checked(found: Shard, where: str) -> Shard:
    if not 1 <= found.count <= MOST_SHARDS:
        raise UsageError(f"{where}: give 1 to {MOST_SHARDS} shards")
    if not 1 <= found.index <= found.count:
        raise UsageError(f"{where}: shards are 1/{found.count} to {found.count}/{found.count}")
    return found


def _refuse_contradictions(values: Mapping[str, Any], found: Shard) -> None:
    where = f"--shard {found}"
    if values["find_max"]:
        raise UsageError(f"{where} with --find-max: a search is of one process")
    if values["target"] is None:
        raise UsageError(
            f"{where} without TARGET: each process would start a server of its own",
            hint="start `sfukit serve`, and give its URL",
        )
    if values["seed"] is None:
        raise UsageError(f"{where} without --seed: the plans of the shards would differ")
    if values["baseline"] is not None:
        raise UsageError(
            f"--baseline with {where}: the figures are those of a share",
            hint="sfukit report compare BEFORE MERGED",
        )
