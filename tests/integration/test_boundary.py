"""Every command that can be written here is read by the Rust half, which refuses unknown fields."""

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from sfukit import _native
from sfukit.server import native_messages as server
from sfukit.swarm import messages as swarm
from tests.instances import made

LOOPBACK = {"bind": ["127.0.0.1"], "udp_port": 0}
COMMANDS = [
    *((_native.Server, kind) for kind in server.Command.__subclasses__()),
    *((_native.Swarm, kind) for kind in swarm.Command.__subclasses__()),
]
CONFIGS = [(_native.Server, server.ServerConfig), (_native.Swarm, swarm.SwarmConfig)]
# What a field has to be where not any text will do.
TEXTS: dict[str, object] = {
    "ip": "192.0.2.1",
    "bind_ip": "127.0.0.1",
    "alternates": ["::1"],
    "kind": "audio",
}

Native = _native.Server | _native.Swarm


@pytest.fixture(scope="module")
def running() -> Iterator[dict[type, Native]]:
    both: dict[type, Native] = {
        _native.Server: _native.Server(json.dumps(LOOPBACK).encode()),
        _native.Swarm: _native.Swarm(b"{}"),
    }
    yield both
    for one in both.values():
        one.close()


def named(parameter: Any) -> str:
    return str(parameter.__name__)


def variants(kind: type) -> Iterator[Any]:
    """Make a command in full and with as little as may be, for each kind of target."""
    for whole in (True, False):
        yield made(kind, whole=whole, fields=TEXTS)
    if any(field.name == "target" for field in msgspec.structs.fields(kind)):
        for target in (server.AutoTarget(), server.RidTarget("h"), server.IndexTarget(1)):
            yield made(kind, fields={**TEXTS, "target": target})


def with_extra(value: Any) -> Iterator[Any]:
    """Write a value once more for each object in it, with a field too many there."""
    if isinstance(value, dict):
        yield {**value, "unknown": 1}
        for name, part in value.items():
            if name not in ("extensions",):  # a map, not an object
                yield from ({**value, name: odd} for odd in with_extra(part))
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from ([*value[:place], odd, *value[place + 1 :]] for odd in with_extra(part))


@pytest.mark.parametrize(("side", "kind"), COMMANDS, ids=named)
def test_every_command_is_read(running: dict[type, Native], side: type, kind: type) -> None:
    for command in variants(kind):
        assert running[side].submit(0, msgspec.json.encode([command])), command


@pytest.mark.parametrize(("side", "kind"), COMMANDS, ids=named)
def test_a_field_too_many_is_refused(running: dict[type, Native], side: type, kind: type) -> None:
    whole = json.loads(msgspec.json.encode(made(kind, fields=TEXTS)))
    target = {"target": {"kind": "encoding", "rid": "h"}} if "target" in whole else {}
    odd = list(with_extra({**whole, **target}))
    assert odd
    for command in odd:
        with pytest.raises(_native.NativeError, match="unknown field `unknown`"):
            running[side].submit(0, json.dumps([command]).encode())


@pytest.mark.parametrize("side", [_native.Server, _native.Swarm], ids=named)
def test_both_sides_have_the_same_commands(running: dict[type, Native], side: type) -> None:
    tags = {str(kind.__struct_config__.tag) for owner, kind in COMMANDS if owner is side}
    assert expected(running[side], {"id": 1, "type": "unknown"}) == tags


@pytest.mark.parametrize(("side", "kind"), COMMANDS, ids=named)
def test_both_sides_have_the_same_fields(
    running: dict[type, Native], side: type, kind: type
) -> None:
    whole = json.loads(msgspec.json.encode(made(kind, fields=TEXTS)))
    fields = {field.encode_name for field in msgspec.structs.fields(kind)} - {"id"}
    assert expected(running[side], {**whole, "unknown": 1}) == fields


def expected(native: Native, command: dict[str, Any]) -> set[str]:
    """Return the names that the Rust half would have read in place of an unknown one."""
    with pytest.raises(_native.NativeError, match="`unknown`, expected") as caught:
        native.submit(0, json.dumps([command]).encode())
    return set(re.findall("`([^`]+)`", str(caught.value).partition(", expected")[2]))


@pytest.mark.parametrize(("side", "kind"), CONFIGS, ids=named)
def test_every_setting_is_read(side: Any, kind: Any) -> None:
    for field in inspect.type_info(kind).fields:  # type: ignore[attr-defined]
        with pytest.raises(_native.NativeError, match=r"invalid type|unknown variant"):
            side(json.dumps({field.encode_name: {"odd": 1}}).encode()).close()
    side(msgspec.json.encode(msgspec.structs.replace(kind(), **_loopback(kind)))).close()


def _loopback(kind: type) -> dict[str, Any]:
    return dict(LOOPBACK) if kind is server.ServerConfig else {}


@pytest.mark.parametrize("workers", [0, 65])
@pytest.mark.parametrize("side", [_native.Server, _native.Swarm], ids=named)
def test_an_impossible_number_of_workers_is_refused(side: type, workers: int) -> None:
    with pytest.raises(_native.NativeError, match=r"workers must be 1..=64"):
        side(json.dumps({"workers": workers}).encode())


def test_what_both_sides_got_is_read(running: dict[type, Native]) -> None:
    for side, kind in ((_native.Server, server.ServerInfo), (_native.Swarm, swarm.SwarmInfo)):
        told = json.loads(running[side].info())
        fields = {field.encode_name for field in msgspec.structs.fields(kind)}
        assert set(told) == fields
