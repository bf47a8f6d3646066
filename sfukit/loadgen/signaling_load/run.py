"""One signaling load from end to end: target, connections, audience, operations, report."""

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from sfukit import config, machine
from sfukit.errors import MachineError, UsageError
from sfukit.loadgen import target_setup
from sfukit.loadgen.host import server_process
from sfukit.loadgen.host.placement import EXCHANGE, Cores, place, running_on
from sfukit.loadgen.host.server_process import PrivateServer
from sfukit.loadgen.options import RunOptions
from sfukit.loadgen.result import report as loadtest_result
from sfukit.loadgen.signaling_load import profile, summary
from sfukit.loadgen.signaling_load.conductor import Conductor, Measured
from sfukit.loadgen.signaling_load.recorder import Recorder
from sfukit.loadgen.signaling_load.result import SignalingReport
from sfukit.loadgen.signaling_load.schedule import Load
from sfukit.loadgen.stopping import StoppedError, unless_stopped
from sfukit.loadgen.timeline import Observer
from sfukit.targets.access import Access
from sfukit.targets.load_permission import permit

_SECRET_BYTES = 32
_OTHER_FILES = 200


@dataclass(frozen=True, kw_only=True)
class SignalingOptions:
    """The options of one signaling load; of ``run`` those of access, target, gates and cores."""

    run: RunOptions
    load: Load
    profile_server: bool = False


@dataclass(frozen=True)
class Opened:
    """The server under load; ``server`` is set if it is a private one."""

    described: loadtest_result.Target
    access: Access
    server: PrivateServer | None = None
    profile: Path | None = None


async def run(
    options: SignalingOptions, observer: Observer, stop: asyncio.Event
) -> SignalingReport:
    """Run a signaling load; ``stop`` ends it early with the figures so far."""
    started_at = datetime.now(UTC)
    load, run_options = options.load, options.run
    async with AsyncExitStack() as stack:
        try:
            opening = stack.enter_async_context(_opened(options, observer))
            opened, cores = await unless_stopped(opening, stop)
        except StoppedError:
            return _stopped(options, started_at)
        tokens = opened.access.token is not None or opened.access.api_key is not None
        facts = summary.Facts(run_options, load, opened.described, cores, started_at, tokens)
        observer.report("plan", summary.plan_line(load, run_options.load.ramp_per_s, tokens=tokens))
        with running_on(cores.swarm):
            conductor = Conductor(
                load,
                run_options,
                opened.described.url,
                opened.access,
                opened.server,
                observer,
                stop,
                profile=opened.profile is not None,
            )
            measured = await conductor.run()
        sampled = None
        if opened.profile is not None and measured.window is not None:
            sampled = await profile.read(opened.profile)
        return summary.report(facts, conductor.recorder, measured, sampled)


def _stopped(options: SignalingOptions, started_at: datetime) -> SignalingReport:
    """Return the report of a run that was stopped before the target was ready."""
    run_options, load = options.run, options.load
    described = target_setup.unrecognised(run_options)
    cores = place(run_options.pin, machine.usable_cores(), server_here=described.private)
    facts = summary.Facts(run_options, load, described, cores, started_at, tokens=False)
    return summary.report(facts, Recorder(load.warmup_s), Measured(interrupted=True), None)


@asynccontextmanager
async def _opened(
    options: SignalingOptions, observer: Observer
) -> AsyncIterator[tuple[Opened, Cores]]:
    run_options, clients = options.run, options.load.clients
    async with target_setup.http_client(run_options) as http:
        found = await target_setup.recognise_target(run_options, http)
        if found is not None and found.kind != "sfukit":
            raise UsageError(
                f"{found.url} is a WHIP URL: the scenario signaling is for rooms of sfukit",
                hint="give the http(s) URL of an sfukit server, or no target",
            )
        if run_options.pin == EXCHANGE:
            raise UsageError(
                "--pin exchange swaps media threads: the scenario signaling has no media",
                hint="leave --pin out",
            )
        cores = place(run_options.pin, machine.usable_cores(), server_here=found is None)
        _allow_files(clients)
        if found is not None:
            if options.profile_server:
                raise UsageError(
                    "--profile-server is for the private server", hint="give no target"
                )
            allowed = run_options.access.allow_hosts
            await permit(found.url, clients, allowed, run_options.command)
            described = loadtest_result.Target(kind="sfukit", url=found.url, version=found.version)
            observer.report("", f"target {found.url} (sfukit {found.version or ''})")
            yield Opened(described, run_options.access), cores
            return
        async with _private_server(options, cores.server) as opened:
            assert opened.server is not None
            ready = opened.server.ready
            observer.report("", f"no target: started a private SFU (pid {ready.pid}, {ready.url})")
            yield opened, cores


@asynccontextmanager
async def _private_server(options: SignalingOptions, cores: Sequence[int]) -> AsyncIterator[Opened]:
    """Start a server with API keys, since tokens are part of the load."""
    access = options.run.access
    if access.api_key is None or access.api_secret is None:
        access = replace(
            access, api_key="loadtest", api_secret=secrets.token_hex(_SECRET_BYTES), token=None
        )
    assert access.api_key is not None and access.api_secret is not None
    with tempfile.TemporaryDirectory(prefix="sfukit-profile-") as folder:
        file = Path(folder) / "profile.json" if options.profile_server else None
        server = await server_process.start(
            options.run.server_args,
            cores,
            module=(profile.MODULE, str(file)) if file else ("sfukit",),
            environment={config.API_KEY: access.api_key, config.API_SECRET: access.api_secret},
        )
        described = loadtest_result.Target(
            kind="sfukit", url=server.ready.url, private=True, pid=server.ready.pid
        )
        try:
            yield Opened(described, access, server, file)
        finally:
            await server.stop()


def _allow_files(clients: int) -> None:
    """Raise the limit of open files: a WebSocket per client, here and in a private server."""
    needed = clients + _OTHER_FILES
    allowed = machine.raise_open_files(needed)
    if allowed < needed:
        raise MachineError(
            f"{clients} clients need {needed} open files; {allowed} are allowed",
            hint=f"ulimit -Hn {needed}   (as root, or in /etc/security/limits.conf)",
        )
