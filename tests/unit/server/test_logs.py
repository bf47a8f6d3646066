"""Log lines: one short line in the console format, or JSON."""

import errno
import io
import json
import os
import select
from collections.abc import Iterator

import pytest
import structlog

from sfukit.server import logs
from tests.unit.server.stage import Stage, until


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """Restore the logging configuration after the test."""
    yield
    structlog.reset_defaults()


def test_the_console_format_is_one_short_line(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("console", "info")
    log = structlog.get_logger().bind(trace_id="abc", room="demo", participant="ann")
    log.info("participant_left", reason="connection_lost", protocol="websocket", empty=None)
    log.debug("unseen")
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert line[8:].split() == [
        "participant_left",
        "demo",
        "ann",
        "reason=connection_lost",
        "protocol=websocket",
    ]


def test_an_error_has_its_trace_id(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("console", "info")
    structlog.get_logger().error("method_failed", trace_id="abc", detail="a b")
    assert capsys.readouterr().err.endswith("detail='a b'  trace_id=abc\n")


def test_an_exception_is_logged_with_its_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("console", "info")
    try:
        raise ValueError("broken")
    except ValueError:
        structlog.get_logger().exception("method_failed")
    assert "ValueError: broken" in capsys.readouterr().err


async def test_the_json_format_has_trace_id_and_reason(
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
    await until(lambda: stage.context.rooms.population == 0)
    structlog.reset_defaults()  # the captured stream ends before the server does
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    by_event = {line["event"]: line for line in lines}
    assert by_event["participant_joined"]["trace_id"] == trace
    assert by_event["participant_left"]["reason"] == "connection_lost"
    assert (by_event["refused"]["reason"], by_event["refused"]["trace_id"]) == (
        "content_type",
        trace,
    )


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("/whip/x\n22:00:00 participant_joined", r"'/whip/x\n22:00:00 participant_joined'"),
        ("\x1b[2Jcleared", r"'\x1b[2Jcleared'"),
        ("\x9b2J", r"'\x9b2J'"),
        ("a\rb", r"'a\rb'"),
        ("a\x85b", r"'a\x85b'"),
        ("a\u2028b", r"'a\u2028b'"),
        ("\u202egnp.exe", r"'\u202egnp.exe'"),
        ("\ud800", r"'\ud800'"),
        (r"\n", r"'\\n'"),
        ("x=1", "'x=1'"),
        ("grüße", "grüße"),
    ],
)
def test_texts_of_clients_inject_no_line_and_no_control_character(
    capsys: pytest.CaptureFixture[str], text: str, shown: str
) -> None:
    logs.configure("console", "info")
    structlog.get_logger().info("refused", path=text, room=text)
    line = capsys.readouterr().err
    assert len(line.splitlines()) == 1
    assert line[:-1].isprintable()
    assert line.rstrip().endswith(f"path={shown}")
    assert line.count(shown) == 2


@pytest.mark.parametrize("style", ["console", "json"])
def test_texts_of_clients_are_truncated(
    capsys: pytest.CaptureFixture[str], style: logs.LogFormat
) -> None:
    logs.configure(style, "info")
    structlog.get_logger().info("refused", path="\x1b" * 100_000, rids=["x" * 100_000])
    line = capsys.readouterr().err
    assert len(line) < 8 * logs.MAX_VALUE_CHARS
    assert line.count("(100000 characters)") == 1
    assert line.count("(100004 characters)") == 1


def test_an_exception_is_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("console", "info")
    try:
        raise ValueError("\x1b[2J")
    except ValueError:
        structlog.get_logger().exception("method_failed")
    said = capsys.readouterr().err
    assert r"\x1b[2J" in said
    assert all(line.isprintable() for line in said.splitlines())


async def test_the_path_of_a_request_injects_no_line(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    from yarl import URL

    logs.configure("console", "info")
    path = "/whip/x%0a22:00:00%20room_opened%1b[2J%e2%80%a8"
    await stage.session.post(URL(stage.url("/") + path[1:], encoded=True), data="x")
    structlog.reset_defaults()
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert r"\n22:00:00 room_opened\x1b[2J\u2028" in said


class Broken(io.StringIO):
    """A stream on a full device, until the test frees it."""

    mended = False

    def write(self, text: str) -> int:
        if not self.mended:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(text)


def test_a_log_that_cannot_be_written_raises_nothing_and_reports_lost_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = Broken()
    monkeypatch.setattr("sys.stderr", stream)
    logs.configure("console", "info")
    for _ in range(3):
        structlog.get_logger().info("refused")
    stream.mended = True
    structlog.get_logger().info("refused")
    events = [line.split()[1:] for line in stream.getvalue().splitlines()]
    assert events == [["refused"], ["log_lines_lost", "count=3"]]


@pytest.mark.parametrize("closed", [None, io.StringIO()])
def test_a_closed_standard_error_raises_nothing(
    monkeypatch: pytest.MonkeyPatch, closed: io.StringIO | None
) -> None:
    if closed is not None:
        closed.close()
    monkeypatch.setattr("sys.stderr", closed)
    logs.configure("json", "info")
    structlog.get_logger().error("refused", reason="x")


def test_a_value_that_cannot_be_written_raises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError("no text")

    monkeypatch.setattr("sys.stderr", io.StringIO())
    logs.configure("console", "info")
    structlog.get_logger().info("refused", detail=Odd())


def test_a_full_log_pipe_does_not_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as reader, os.fdopen(writing, "w") as pipe:
        monkeypatch.setattr("sys.stderr", pipe)
        logs.configure("json", "info")
        log = structlog.get_logger()
        for _ in range(1_000):
            log.info("refused", path="x" * 400)  # several times the capacity of a pipe
        held = b""
        while select.select([reader], [], [], 0)[0]:
            held += reader.read(65536)
        log.info("read again")
        held += reader.read(65536)
    lines = [json.loads(line) for line in held.splitlines()]
    assert lines[-2]["event"] == "read again"
    assert lines[-1]["event"] == "log_lines_lost"
    assert lines[-1]["count"] == 1_000 - (len(lines) - 2) > 0
