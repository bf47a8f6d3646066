"""``sfukit loadtest --scheduler``: shards on the workers of a Dask cluster, in one report."""

import asyncio
from typing import NoReturn

import msgspec

from sfukit.cli import dask_worker, interruptible, report_merge
from sfukit.cli.loadtest_outputs import Outputs
from sfukit.cli.loadtest_view import View
from sfukit.cli.output import Output
from sfukit.errors import MachineError
from sfukit.loadgen.dask import cluster, scheduler_address
from sfukit.loadgen.dask.cluster import Collected, Work
from sfukit.loadgen.options import RunOptions
from sfukit.redaction import command_line

_WORK = Work(dask_worker.facts, dask_worker.run_shard, dask_worker.stop_shard)


def run(
    address: str, insecure: bool, options: RunOptions, out: Output, outputs: Outputs
) -> NoReturn:
    """Run, print, save; exit with the code of the merged verdict."""
    scheduler_address.checked(address, insecure=insecure)

    async def whole(stop: asyncio.Event) -> Collected:
        with View(out) as view:
            view.report("", f"scheduler {address}, target {options.target}")
            return await cluster.run(address, options, _WORK, view.report, stop)

    found = interruptible.run(whole)
    if not found.parts:
        index, why = next(iter(found.absent.items()))
        raise MachineError(f"no shard has a report: shard {index}: {why}")
    merged = report_merge.merged(found.parts, found.absent)
    command = command_line(options.command)
    report_merge.ended(msgspec.structs.replace(merged, command_line=command), out, outputs)
