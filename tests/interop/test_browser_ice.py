"""``ice-explain`` finds the cause in new recordings of Chromium."""

import asyncio
from pathlib import Path

import pytest

from sfukit.probe.ice import explain, inputs
from tests.interop import ice_fixtures
from tests.interop.ice_fixtures import RECORDINGS, lab

pytestmark = pytest.mark.realtime


@pytest.mark.network_namespace
@pytest.mark.parametrize(
    ("name", "record", "cause"),
    [
        ("turn_expired", "turn-expired.internals.json", "turn_credential_expired"),
        ("no_answer", "no-answer.internals.json", "no_remote_description"),
        ("connected", "connected.internals.json", None),
    ],
)
async def test_a_new_recording_is_explained(
    name: str,
    record: str,
    cause: str | None,
    chromium_program: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ice_fixtures, "FOLDER", tmp_path)
    async with lab(*ice_fixtures.WITHOUT_MDNS) as running:
        await asyncio.wait_for(RECORDINGS[name](running), 60)
    _, cases = inputs.read((tmp_path / record).read_bytes(), record)
    cases[0].servers = inputs.servers([f"{ice_fixtures.TURN},{ice_fixtures.EXPIRED}"])
    if name != "turn_expired":
        cases[0].servers = []
    assert explain.explain(cases[0], 0.0).cause == cause
