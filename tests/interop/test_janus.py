"""``sfukit loadtest`` against Debian's Janus: rooms, layers, changes of participants, refusals."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from sfukit.loadgen.targets.janus_room import number_of
from tests.conftest import absent
from tests.integration.loadtest_command import SHORT, Loadtest
from tests.interop.command import Invocation, run
from tools.janus_server import HOW, Janus, JanusError, janus

pytestmark = pytest.mark.realtime

_LOWEST_BPS, _HIGHEST_BPS, _AUDIO_BPS = 150_000, 1_700_000, 32_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Janus]:
    folder = tmp_path_factory.mktemp("janus")
    try:
        running = janus(folder, room_settings={"admin_key": "north"})
        with running as server:
            yield server
    except JanusError as error:
        absent(f"Janus ({error})", HOW)


async def room_exists(server: Janus, room: int) -> bool:
    """Ask the VideoRoom for a room."""
    async with connect(
        server.websocket_url, subprotocols=[Subprotocol("janus-protocol")]
    ) as connection:

        async def ask(janus: str, **fields: Any) -> Any:
            await connection.send(json.dumps({"janus": janus, "transaction": "t", **fields}))
            return json.loads(await connection.recv())

        session = (await ask("create"))["data"]["id"]
        plugin = "janus.plugin.videoroom"
        handle = (await ask("attach", session_id=session, plugin=plugin))["data"]["id"]
        body = {"request": "exists", "room": room}
        reply = await ask("message", session_id=session, handle_id=handle, body=body)
        return bool(reply["plugindata"]["data"]["exists"])


async def test_a_meeting_in_which_participants_leave_and_join(
    server: Janus, tmp_path: Path
) -> None:
    outcome = await Loadtest(tmp_path)(
        f"{server.websocket_url}/janus?admin_key=north",
        *("--rooms", "1", "--stage", "1s:4", "--stage", "1s:3", "--stage", "1s:4"),
        *("--speaker-switch", "1s", "--warmup", "1s", "--ramp", "10/s", "--seed", "7"),
    )
    report = outcome.measured
    assert (outcome.code, report.verdict) == (0, "pass"), outcome.out
    assert (report.target.kind, report.target.version) == ("janus", "1.1.2")
    assert "admin_key=***" in report.target.url
    assert report.errors == []
    # two tracks each of three publishers, and of the one that took the place of p4
    assert {client.name: client.tracks for client in report.clients} == {
        **dict.fromkeys(("p1", "p2", "p3"), 8),
        **dict.fromkeys(("p4", "p4-2"), 6),
    }
    # each sees one publisher large and two small
    expected_bps = _HIGHEST_BPS + 2 * _LOWEST_BPS + 3 * _AUDIO_BPS
    for client in report.clients[:3]:
        assert client.bitrate_in_bps == pytest.approx(expected_bps, rel=0.35)
    assert report.server is not None
    assert report.server.counted_by == "bots"
    assert not await room_exists(server, number_of("load7-room-1"))


async def test_participants_continue_from_another_local_address(
    server: Janus, tmp_path: Path
) -> None:
    # Janus has a full ICE agent, which selects the nominated pair of the highest priority.
    outcome = await Loadtest(tmp_path)(
        f"{server.websocket_url}/janus?admin_key=north",
        *("-c", "3", "--rooms", "1", "--handover", "1s", "--warmup", "1s", "-d", "3s"),
        *("--no-default-gates", "-T", "handovers==100%", "-T", "handover_gap_ms.count>=3"),
    )
    assert outcome.code in (0, 5), outcome.out
    report = outcome.measured
    assert report.metrics["handovers"].avg == 1.0
    assert [one.code for one in report.errors] == []


def test_a_check_publishes_to_a_room_of_its_own(server: Janus, tmp_path: Path) -> None:
    url = f"{server.websocket_url}/janus?admin_key=north"
    outcome = run("check", Invocation([url]), tmp_path)
    assert outcome.exit_code == 0, outcome.text
    assert (outcome.report["kind"], outcome.report["target_version"]) == ("janus", "1.1.2")
    assert [step["name"] for step in outcome.report["steps"]][-6:] == [
        *("websocket", "token", "sdp", "ice", "dtls", "media")
    ]


async def test_refused_joins_are_named(server: Janus, tmp_path: Path) -> None:
    load = Loadtest(tmp_path)
    wrong = f"janus+{server.websocket_url}/janus?admin_key=south"
    outcome = await load(wrong, "-c", "2", *SHORT)
    assert outcome.code == 4
    assert "token fails (create_denied)" in outcome.out
    assert "Janus error 433" in outcome.out
    outcome = await load(f"{server.websocket_url}/janus?room=77", "-c", "2", *SHORT)
    assert outcome.code == 4
    assert "room_not_found" in outcome.out
