"""``loadtest --target-plugin``: the example for mediasoup's demo, and a plug-in that raises."""

from pathlib import Path

import pytest

from tests.integration.loadtest_command import SHORT, Loadtest
from tests.integration.protoo_server import protoo_server

pytestmark = pytest.mark.realtime

EXAMPLE = f"{Path(__file__).parents[2] / 'examples' / 'mediasoup_target.py'}:MediasoupTarget"
FAULTY = """
import asyncio

class Target:
    def __init__(self, options): pass
    def session(self, participant): return Session(participant)

class Session:
    def __init__(self, participant): self.participant = participant
    async def join(self): self.participant.accepted()
    async def run(self): await asyncio.Event().wait()
    async def leave(self): pass
"""


async def test_the_example_joins_the_stand_in_of_mediasoup(tmp_path: Path) -> None:
    async with protoo_server() as server:
        outcome = await Loadtest(tmp_path)(
            *(server.url, "--target-plugin", EXAMPLE, "-c", "3", "--no-simulcast"),
            *("--bitrate", "150k", "--ramp", "10/s", *SHORT),
        )
        assert list(server.rooms) == ["load7-room-1"]
        assert server.preferred == [0] * 6  # of the only encoding
    report = outcome.measured
    assert (outcome.code, report.verdict) == (0, "pass"), outcome.out + outcome.err
    assert (report.target.kind, report.target.plugin) == ("plugin", EXAMPLE)
    assert f"(plug-in {EXAMPLE})" in outcome.out
    assert report.errors == []
    assert [client.tracks for client in report.clients] == [4, 4, 4]
    assert report.metrics["e2e_frame_ms"].count > 100


@pytest.mark.parametrize(("hook", "line"), [("run", 11), ("leave", 12)])
async def test_a_plugin_that_raises_ends_the_run_with_one_line(
    tmp_path: Path, hook: str, line: int
) -> None:
    plugin = tmp_path / "faulty.py"
    head, _, rest = FAULTY.partition(f"def {hook}(self): ")
    body = rest.partition("\n")[2]
    plugin.write_text(f'{head}def {hook}(self): raise LookupError("a lost track")\n{body}')
    name = f"{plugin}:Target"
    outcome = await Loadtest(tmp_path)(
        *("x://127.0.0.1:9", "--target-plugin", name, "-c", "2"),
        *("--duration", "1s", "--warmup", "0s", "--ramp", "20/s"),
    )
    assert outcome.code == 4, outcome.out
    said = f"the plug-in {name} raised in {hook}: LookupError: a lost track (faulty.py:{line})"
    assert outcome.measured.reasons[0] == said
    assert said in outcome.out
    assert "Traceback" not in outcome.out + outcome.err
