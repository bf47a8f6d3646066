"""Every event that the Rust half can write is read here with nothing left over.

The fixtures are held by ``crates/*/tests/event_fixture.rs`` and ``crates/native/src/supervise.rs``.
"""

import json
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest

from sfukit.server import native_messages
from sfukit.swarm import messages

FIXTURES = Path(__file__).parents[1] / "fixtures" / "events"
SIDES = [("server", native_messages.Event), ("swarm", messages.Event)]
FILES = {"server": ["server.json", "worker.json"], "swarm": ["swarm.json"]}


def samples(side: str) -> list[dict[str, Any]]:
    return [sample for name in FILES[side] for sample in json.loads((FIXTURES / name).read_text())]


@pytest.mark.parametrize(("side", "events"), SIDES)
def test_every_event_is_read_whole(side: str, events: Any) -> None:
    for sample in samples(side):
        event = msgspec.json.decode(json.dumps(sample), type=events)
        written = json.loads(msgspec.json.encode(event))
        assert {name: written.get(name, "unknown here") for name in sample} == sample


@pytest.mark.parametrize(("side", "events"), SIDES)
def test_no_event_waits_here_for_what_is_never_written(side: str, events: Any) -> None:
    known = {kind.__struct_config__.tag for kind in get_args(events)}
    assert {sample["type"] for sample in samples(side)} == known


@pytest.mark.parametrize(("side", "events"), SIDES)
def test_every_field_here_is_written_there(side: str, events: Any) -> None:
    fields: dict[str, set[str]] = {}
    for sample in samples(side):
        fields.setdefault(sample["type"], {"type"}).update(sample)
    for kind in get_args(events):
        names = {field.encode_name for field in msgspec.structs.fields(kind)}
        assert names - fields[kind.__struct_config__.tag] <= {"result"}
