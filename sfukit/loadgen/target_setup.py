"""Turn what was typed as TARGET into something bots can join: recognised, or started here."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from http.cookiejar import DefaultCookiePolicy

import httpx

from sfukit import extension
from sfukit.errors import TargetError, UsageError
from sfukit.loadgen import other_targets
from sfukit.loadgen.host import local_server, server_process
from sfukit.loadgen.host.server_process import PrivateServer
from sfukit.loadgen.options import LoadOptions, RunOptions, Shape
from sfukit.loadgen.plugin import open_plugin
from sfukit.loadgen.result import report as result
from sfukit.loadgen.targets.base import Target, TargetOptions
from sfukit.loadgen.targets.rooms import RoomsTarget
from sfukit.loadgen.targets.whip import WhipTarget
from sfukit.redaction import command_line
from sfukit.targets import access
from sfukit.targets.detect import (
    DetectedTarget,
    TargetUrl,
    detect,
    parse_plugin_url,
    parse_target,
)

_DEFAULT_URL = "http://127.0.0.1:7080"
_CONNECTIONS = httpx.Limits(max_connections=200, max_keepalive_connections=100)


@dataclass(frozen=True)
class OpenedTarget:
    """A target ready for bots; ``server`` is set if it is a private one."""

    target: Target
    described: result.Target
    client: httpx.AsyncClient
    server: PrivateServer | None = None

    async def close(self) -> None:
        """Close the HTTP client, and stop a private server."""
        await self.client.aclose()
        if self.server is not None:
            await self.server.stop()


def http_client(options: RunOptions) -> httpx.AsyncClient:
    """Return the HTTP client that all bots share."""
    url = _DEFAULT_URL
    if options.target is not None and options.target_plugin is None:
        url = parse_target(options.target).url
    context = access.tls(options.access, url)
    client = httpx.AsyncClient(
        verify=context if context is not None else True,
        limits=_CONNECTIONS,
        timeout=options.join_timeout_s,
        trust_env=False,
    )
    # no cookies: they would be shared by all bots, and unbounded
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return client


async def recognise_target(options: RunOptions, client: httpx.AsyncClient) -> DetectedTarget | None:
    """Recognise the kind of the given target; None where a private server is to be started.

    Raises ``MachineError`` before any request where the extension cannot be used.
    """
    extension.check()
    if options.target_plugin is not None:
        return _target_of_plugin(options)
    if options.target is None:
        if options.play is not None:
            raise UsageError("--play without a target", hint="name the WHIP URL to publish to")
        return None
    found = await detect(parse_target(options.target), client, options.access)
    if found.kind == "sfukit" and options.play is not None:
        raise UsageError(
            "--play is for WHIP targets: the bots subscribe in the rooms of an sfukit server",
            hint=f"force WHIP with whip+{options.target}",
        )
    if found.kind == "whep":
        raise UsageError(
            f"{found.url} is a WHEP URL: the load needs a publisher",
            hint="name the WHIP URL, and this one with --play",
        )
    other_targets.require_usable(found, options)
    if options.server_args:
        raise UsageError("--server-args is for the private server", hint="give no target")
    return found


def _target_of_plugin(options: RunOptions) -> DetectedTarget:
    """Return the target of a plug-in, which decides alone what it connects to."""
    if options.target is None:
        raise UsageError(
            "--target-plugin without a target", hint="name the URL that the plug-in connects to"
        )
    for option, value in (("--play", options.play), ("--server-args", options.server_args)):
        if value:
            raise UsageError(f"{option} with --target-plugin: nothing reads it")
    return DetectedTarget("plugin", parse_plugin_url(options.target), None)


def fit_to_target(load: LoadOptions, found: DetectedTarget | None, play: str | None) -> LoadOptions:
    """Return the load in the shape that the target supports."""
    shape: Shape = "rooms"
    if found is not None and found.kind == "whip":
        shape = "pair" if play else "publish"
    if found is not None:
        load = other_targets.fit_to_rooms(load, found)
    return replace(load, shape=shape)


async def open_target(
    options: RunOptions,
    found: DetectedTarget | None,
    client: httpx.AsyncClient,
    cores: Sequence[int],
) -> OpenedTarget:
    """Return the target, starting a private server where none was given."""
    if found is None:
        server = await server_process.start(options.server_args, cores)
        url = server.ready.url
        described = result.Target(kind="sfukit", url=url, private=True, pid=server.ready.pid)
        rooms = RoomsTarget(url, options.access, options.join_timeout_s)
        return OpenedTarget(rooms, described, client, server)
    assert found.kind != "whep"  # refused by ``find``
    # the packets of one shard are not those of the server
    local = None if options.shard is not None else await local_server.find(found.url)
    described = result.Target(
        kind=found.kind,
        url=found.url,
        play_url=options.play,
        plugin=options.target_plugin,
        version=found.version,
        pid=local.pid if local else None,
        program=local.name if local else None,
    )
    if options.target_plugin is not None:
        asked = TargetOptions(found.url, options.access, options.join_timeout_s)
        return OpenedTarget(open_plugin(options.target_plugin, asked), described, client)
    if found.kind in ("livekit", "galene", "janus"):
        return OpenedTarget(other_targets.open_target(found, options, client), described, client)
    if found.kind == "sfukit":
        return OpenedTarget(
            RoomsTarget(found.url, options.access, options.join_timeout_s), described, client
        )
    whip = WhipTarget(client, found.url, options.play, options.access, options.join_timeout_s)
    return OpenedTarget(whip, described, client)


def unrecognised(options: RunOptions) -> result.Target:
    """Return a target that was not recognised or started yet."""
    if options.target is None:
        return result.Target(kind="sfukit", url="", private=True)
    url = parse_target(options.target).url
    return result.Target(kind="unknown", url=url, play_url=options.play)


def unopened(options: RunOptions) -> OpenedTarget:
    """Return a target that no bot is to join."""
    described = unrecognised(options)
    rooms = RoomsTarget(described.url, options.access, options.join_timeout_s)
    return OpenedTarget(rooms, described, http_client(options))


def opening_line(opened: OpenedTarget) -> str:
    """Return the line that names the target, or the private server."""
    described, server = opened.described, opened.server
    if server is not None:
        ports = ", ".join(map(str, server.ready.udp_ports))
        return (
            f"no target: started a private SFU (pid {server.ready.pid}, "
            f"{server.ready.url}, udp {ports})"
        )
    version = f" {described.version}" if described.version else ""
    play = f", played from {described.play_url}" if described.play_url else ""
    kind = f"plug-in {described.plugin}" if described.plugin else described.kind
    here = f", on this machine ({described.program}, pid {described.pid})" if described.pid else ""
    return f"target {described.url} ({kind}{version}){play}{here}"


async def default_port_hint(client: httpx.AsyncClient, command: Sequence[str]) -> str | None:
    """Return the command for a server that already runs on the default port."""
    try:
        async with asyncio.timeout(0.5):
            found = await detect(TargetUrl("sfukit", _DEFAULT_URL), client)
    except (TargetError, TimeoutError):
        return None
    return f"a server runs at {found.url}; to test it:  {command_line([*command, found.url])}"
