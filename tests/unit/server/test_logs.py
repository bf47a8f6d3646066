"""Log lines: short for people, JSON for programs, each with its trace id and reason."""

import json
from collections.abc import Iterator

import pytest
import structlog

from sfukit.server import logs
from tests.unit.server.stage import Stage, until


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """Take back what a test does to the logs of this process."""
    yield
    structlog.reset_defaults()


def test_people_get_one_short_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("console", "info")
    log = structlog.get_logger().bind(trace_id="abc", room="demo", participant="ann")
    log.info("participant_left", reason="connection_lost", door="websocket", empty=None)
    log.debug("unseen")
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert line[8:].split() == [
        "participant_left",
        "demo",
        "ann",
        "reason=connection_lost",
        "door=websocket",
    ]


def test_an_error_names_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("console", "info")
    structlog.get_logger().error("method_failed", trace_id="abc", what="a b")
    assert capsys.readouterr().err.endswith("what='a b'  trace_id=abc\n")


def test_an_exception_is_written_down_whole(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("console", "info")
    try:
        raise ValueError("broken")
    except ValueError:
        structlog.get_logger().exception("method_failed")
    assert "ValueError: broken" in capsys.readouterr().err


async def test_programs_get_json_with_trace_id_and_reason(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("json", "info")
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    member = await stage.member(headers=headers)
    await member.call("join", sid="demo", uid="ann")
    async with stage.session.post(stage.url("/whip/demo"), headers=headers) as response:
        assert response.status == 415
    await member.socket.close()
    await until(lambda: stage.house.rooms.population == 0)
    structlog.reset_defaults()  # the captured stream ends before the server does
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    told = {line["event"]: line for line in lines}
    assert told["participant_joined"]["trace_id"] == trace
    assert told["participant_left"]["reason"] == "connection_lost"
    assert (told["refused"]["reason"], told["refused"]["trace_id"]) == ("content_type", trace)
