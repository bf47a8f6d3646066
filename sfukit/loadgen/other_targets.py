"""Targets whose signaling is of another project: what they need, and how they are opened."""

from dataclasses import replace
from typing import TYPE_CHECKING

import httpx

from sfukit.errors import MachineError, UsageError
from sfukit.loadgen.options import LoadOptions, RunOptions
from sfukit.loadgen.targets.base import Target
from sfukit.loadgen.targets.galene import GaleneTarget
from sfukit.loadgen.targets.janus import JanusTarget
from sfukit.targets import janus_url
from sfukit.targets.detect import DetectedTarget

if TYPE_CHECKING:
    from sfukit.loadgen.targets.livekit import LivekitTarget

_ROOM = "{room}"


def require_usable(found: DetectedTarget, options: RunOptions) -> None:
    """Raise ``UsageError`` where the access does not fit the target."""
    if found.kind == "galene" and options.access.api_key is not None:
        raise UsageError(
            "--api-key: Galene signs its tokens with keys of a group",
            hint="give --token, or user and password as galene+https://USER:PASSWORD@HOST/group/NAME",
        )
    if found.kind == "janus" and options.access.api_key is not None:
        raise UsageError(
            "--api-key: Janus has no API keys",
            hint="its api_secret is --api-secret, a token of its token_auth is --token",
        )
    if found.kind == "janus" and (found.version or "").startswith("0."):
        raise UsageError(
            f"{found.url} is Janus {found.version}: the bots receive all publishers on one "
            "connection, which Janus does since 1.0",
            hint="update it",
        )
    if found.kind == "livekit" and options.access.token and options.load.clients != 1:
        raise UsageError(
            "--token: a token of LiveKit is for one participant, and a second one replaces it",
            hint="give --api-key and --api-secret, which sign a token per participant",
        )


def fit_to_rooms(load: LoadOptions, found: DetectedTarget) -> LoadOptions:
    """Return the load in the rooms that a URL names: one, unless it names one per room."""
    if found.kind == "galene":
        return fit_to_groups(load, found.url)
    named = janus_url.parse(found.url).room if found.kind == "janus" else None
    if named is None or _ROOM in named:
        return load
    if load.rooms not in (None, 1):
        raise UsageError(
            f"--rooms {load.rooms}: the URL names one room",
            hint="omit room= in it: then rooms are created",
        )
    return replace(load, rooms=1)


def fit_to_groups(load: LoadOptions, url: str) -> LoadOptions:
    """Return the load for a Galene URL: one room, unless the URL names one group per room."""
    if _ROOM in url:
        return load
    if load.rooms not in (None, 1):
        raise UsageError(
            f"--rooms {load.rooms}: the URL names one group",
            hint="write {room} in it: galene+https://HOST:8443/group/{room}",
        )
    return replace(load, rooms=1)


def open_target(found: DetectedTarget, options: RunOptions, client: httpx.AsyncClient) -> Target:
    """Return a LiveKit, Galene or Janus target."""
    if found.kind == "janus":
        return JanusTarget(found.url, options.access, options.join_timeout_s)
    if found.kind == "galene":
        return GaleneTarget(client, found.url, options.access, options.join_timeout_s)
    return _livekit()(found.url, options.access, options.join_timeout_s)


def _livekit() -> "type[LivekitTarget]":
    try:
        from sfukit.loadgen.targets.livekit import LivekitTarget
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in ("livekit", "google"):
            raise
        raise MachineError(
            "LiveKit targets need livekit-protocol", hint="pip install 'sfukit[livekit]'"
        ) from missing
    return LivekitTarget
