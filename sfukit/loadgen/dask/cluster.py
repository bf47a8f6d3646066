"""The shards of a plan on the workers of a Dask cluster: submitted, watched, collected."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import msgspec

from sfukit import __version__, units
from sfukit.errors import MachineError, UsageError
from sfukit.loadgen import scenario
from sfukit.loadgen.dask import task as shard_task
from sfukit.loadgen.merging import parts
from sfukit.loadgen.options import RunOptions, Shard
from sfukit.loadgen.result.report import LoadtestReport
from sfukit.loadgen.scenario.shares import MOST_SHARDS
from sfukit.loadgen.shards import start
from sfukit.redaction import redacted

Report = Callable[[str, str], None]  # takes a label and a text

_CONNECT_S = 10.0
_LEAD_S = 2.0  # beyond --join-timeout, until all workers have checked the target
_SPARE_S = 60.0  # beyond the plan, until a report is there
_STEP_S = 0.25
_NAMED = 6
_TOLD_EVERY_S = 10.0
_CLOCKS_APART_S = 1.0
_TLS = (
    "name them in Dask's configuration: DASK_DISTRIBUTED__COMM__TLS__CA_FILE, "
    "DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT and __KEY"
)


class Facts(Protocol):
    """What a worker says of itself."""

    @property
    def version(self) -> str:
        """The version of sfukit."""

    @property
    def time_s(self) -> float:
        """The time of the wall clock."""


class Work(NamedTuple):
    """The functions that workers run: of a module that they have too."""

    facts: Callable[[], Facts]
    run_shard: Callable[[str, bytes], bytes]
    stop_shard: Callable[[str], None]


class Collected(NamedTuple):
    """The parts that came, and why others did not, by shard."""

    parts: list[parts.Part]
    absent: dict[int, str]


@dataclass
class _Shards:
    """The shards that are not ended, and what came of the others."""

    futures: dict[int, Any]
    workers: Mapping[int, str]
    came: Collected = field(default_factory=lambda: Collected([], {}))

    def lose(self, index: int, why: str) -> None:
        """Give a shard up."""
        self.futures.pop(index)
        self.came.absent[index] = f"worker {self.workers[index]}: {redacted(why)}"

    def end(self, index: int, answer: object) -> None:
        """Take the answer of a worker."""
        found = shard_task.outcome(answer)
        if found.error is not None:
            self.lose(index, found.error)
            return
        try:
            report = msgspec.json.decode(found.report, type=LoadtestReport)
            self.came.parts.append(parts.part(f"worker {self.workers[index]}", report))
        except (msgspec.ValidationError, UsageError) as error:
            self.lose(index, str(error))
            return
        self.futures.pop(index)


async def run(
    address: str, options: RunOptions, work: Work, report: Report, stop: asyncio.Event
) -> Collected:
    """Run one shard on each worker; ``stop`` ends all early with their metrics so far."""
    planned = scenario.plan(options.load)
    client = await _connected(address)
    try:
        workers = await _workers(client, work)
        shards = {index: Shard(index, len(workers)) for index in range(1, len(workers) + 1)}
        for shard in shards.values():
            planned.shared(shard)  # each has a client
        start_at_s = options.start_at_s or time.time() + options.join_timeout_s + _LEAD_S
        report("workers", _workers_text(workers, start_at_s))
        run_id = secrets.token_hex(4)
        futures = {
            index: client.submit(
                work.run_shard,
                run_id,
                shard_task.encode(options, shard, start_at_s),
                key=f"sfukit-shard-{index}-of-{shard.count}-{run_id}",
                workers=[workers[index - 1]],
                allow_other_workers=False,
                pure=False,
                retries=0,
            )
            for index, shard in shards.items()
        }
        running = _Shards(futures, dict(enumerate(workers, 1)))
        stopping = asyncio.create_task(_stop_all(client, work, run_id, stop))
        try:
            await _watch(client, running, report, start_at_s + planned.total_s + _SPARE_S)
        finally:
            stopping.cancel()
            await client.cancel(list(running.futures.values()))
        return running.came
    finally:
        await client.close()


async def _connected(address: str) -> Any:
    try:
        import distributed
    except ImportError as error:
        raise MachineError(
            "--scheduler needs Dask's distributed", hint="pip install 'sfukit[dask]'"
        ) from error
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # losses are said in the report
    try:
        tls = address.startswith("tls:")
        library: Any = distributed  # partly without types
        security = library.Security(require_encryption=True) if tls else library.Security()
        if tls and security.get_connection_args("client")["ssl_context"] is None:
            raise UsageError(f"--scheduler {address}: without certificates", hint=_TLS)
        return await library.Client(
            address, security=security, asynchronous=True, timeout=_CONNECT_S, set_as_default=False
        )
    except (OSError, TypeError, ValueError) as error:
        raise MachineError(
            f"--scheduler {address} cannot be used: {error}",
            hint=_TLS if address.startswith("tls:") else "is `dask scheduler` running there?",
        ) from error


async def _workers(client: Any, work: Work) -> list[str]:
    """Return the addresses of the workers; refuse other versions and clocks."""
    began_s = time.time()
    answers: Mapping[str, Any] = await client.run(work.facts, on_error="return")
    middle_s, half_s = (began_s + time.time()) / 2, (time.time() - began_s) / 2
    if not answers:
        raise MachineError(
            "the scheduler has no worker", hint="start `dask worker` on each machine"
        )
    if len(answers) > MOST_SHARDS:
        raise MachineError(f"the scheduler has {len(answers)} workers: {MOST_SHARDS} at most")
    for address, found in sorted(answers.items()):
        version = getattr(found, "version", None)
        if version is None:
            why = redacted(f"{type(found).__name__}: {found}"[:200])
            raise MachineError(
                f"worker {address} has no usable sfukit ({why})", hint="install sfukit there"
            )
        if version != __version__:
            raise MachineError(f"worker {address} has sfukit {version}, and here is {__version__}")
        apart_s = abs(found.time_s - middle_s) - half_s
        if apart_s > _CLOCKS_APART_S:
            raise MachineError(
                f"the clock of worker {address} differs by {apart_s:.1f} s: shards start by it",
                hint="synchronise the clocks (NTP)",
            )
    return sorted(answers)


async def _watch(client: Any, shards: _Shards, report: Report, deadline_s: float) -> None:
    """Collect the answers until none is left to come."""
    told_s, count = time.monotonic(), len(shards.futures)
    while shards.futures:
        await asyncio.sleep(_STEP_S)
        for index, future in list(shards.futures.items()):
            if future.status == "finished":
                shards.end(index, await future.result())
            elif future.status != "pending":
                shards.lose(index, f"its task is {future.status}")
        present = await _present(client)
        for index in list(shards.futures):
            if present is None:
                shards.lose(index, "the scheduler was lost")
            elif shards.workers[index] not in present:
                shards.lose(index, "lost")
            elif time.time() > deadline_s:
                shards.lose(index, "no report in time")
        if time.monotonic() - told_s >= _TOLD_EVERY_S:
            told_s = time.monotonic()
            report("shards", f"{len(shards.futures)} of {count} run")
    for index, why in shards.came.absent.items():
        report("absent", f"shard {index}: {why}")


async def _present(client: Any) -> Collection[str] | None:
    """Return the workers that the scheduler has now; None where it is lost."""
    try:
        async with asyncio.timeout(_CONNECT_S):
            found: Mapping[str, int] = await client.nthreads()
    except (OSError, TimeoutError, AttributeError):
        return None
    return found if client.status == "running" else None


async def _stop_all(client: Any, work: Work, run_id: str, stop: asyncio.Event) -> None:
    await stop.wait()
    await client.run(work.stop_shard, run_id, on_error="ignore")


def _workers_text(workers: Sequence[str], start_at_s: float) -> str:
    left = units.show_duration(round(max(0.0, start_at_s - time.time()), 1))
    each = "one shard" if len(workers) == 1 else f"{len(workers)} shards, one each"
    return f"{', '.join(workers[:_NAMED])}: {each}; starts in {left}, at {start.show(start_at_s)}"
