"""``sfukit report FILE``: whatever text stands in the file, it commands no terminal."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from sfukit import report
from sfukit.cli.app import main
from sfukit.cli.doctor import DoctorReport
from sfukit.cli.output import visible
from sfukit.loadgen.latency.result import LatencyReport
from sfukit.loadgen.result.report import Fault, LoadtestReport, Metric
from sfukit.loadgen.signaling_load.recorder import STAGES
from sfukit.loadgen.signaling_load.result import RATIOS, Latency, Share, SignalingReport
from sfukit.probe.check.report import CheckReport
from sfukit.probe.ice.explain import IceExplainReport
from sfukit.probe.nat.report import NatReport
from sfukit.probe.natlab.result import NatLabReport, Sum
from sfukit.probe.turn.report import TurnReport
from tests.instances import made
from tests.unit.loadgen.shards.reports import shard

FORGED = "PASS    forged"
# Clear the screen, begin a line, go up (C1), write backwards, set the title, end lines otherwise.
TEXT = f"a\x1b[2J\n{FORGED}\r{FORGED}\x9b1A\u202eb\x1b]0;t\x07\x85{FORGED}\u2028{FORGED}\x7f\x00"
COMMANDING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")

REPORTS: Mapping[str, type[report.Envelope]] = {
    "check": CheckReport,
    "doctor": DoctorReport,
    "ice-explain": IceExplainReport,
    "latency": LatencyReport,
    "loadtest": LoadtestReport,
    "loadtest-signaling": SignalingReport,
    "nat-probe": NatReport,
    "nat-lab": NatLabReport,
    "turn-probe": TurnReport,
}
# What the text of a report looks up by its name.
LOOKED_UP: Mapping[str, Mapping[str, Any]] = {
    "check": {"timings_ms": {"total": 1.0}},
    "latency": {
        "metrics": {
            name: made(Metric)
            for name in (
                "sfu_residence_ms",
                "loss_raw",
                "loss_after_rtx",
                "bitrate_in",
                "bitrate_out",
            )
        }
    },
    "loadtest": {"metrics": {name: made(Metric) for name in ("joins", "tracks", "join_ms")}},
    "loadtest-signaling": {
        "metrics": {stage: made(Latency) for stage in STAGES},
        "shares": {name: made(Share) for name in RATIOS},
    },
    "nat-probe": {"p2p_by_peer_type": {"symmetric": "yes"}},
    "nat-lab": {"metrics": {"predict": made(Sum)}, "strategy": "predict"},
}


def header_of(name: str) -> dict[str, Any]:
    """Make the fields that name a report."""
    return {"command": name, "schema": report.schema_id(name)}


def fields_of(name: str) -> dict[str, Any]:
    """Make the fields that a report needs to be printed."""
    return {**header_of(name), **LOOKED_UP.get(name, {})}


@pytest.fixture(params=REPORTS)
def hostile(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Write a report of each command with hostile text in every place that takes text."""
    name = request.param
    written = made(REPORTS[name], text=TEXT, fields=fields_of(name))
    path = tmp_path / f"{name}.json"
    path.write_bytes(msgspec.json.encode(written))
    return path


@pytest.mark.parametrize("options", [(), ("-v",)])
def test_it_prints_no_escapes_and_begins_no_line(
    options: tuple[str, ...], hostile: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", str(hostile), *options]) == 0, capsys.readouterr().err
    shown = capsys.readouterr().out
    assert "a\\x1b[2J" in shown
    assert COMMANDING.findall(shown) == []
    assert [line for line in shown.splitlines() if line.startswith(FORGED)] == []


def test_its_json_has_no_escapes(hostile: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", str(hostile), "--json", "-"]) == 0
    shown = capsys.readouterr().out
    assert COMMANDING.findall(shown) == []
    assert msgspec.json.decode(shown) == msgspec.json.decode(hostile.read_bytes())


@pytest.mark.parametrize("name", REPORTS)
def test_a_report_with_less_in_it_is_printed_or_refused(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "report.json"
    less = made(REPORTS[name], whole=False, fields=header_of(name))
    path.write_bytes(msgspec.json.encode(less))
    for options in ((), ("-v",)):
        code = main(["report", str(path), *options])
        refusal = capsys.readouterr().err
        assert code == 0 or (code == 2 and refusal.startswith(f"sfukit: {path}: "))


def test_a_refusal_quotes_no_escapes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "report.json"
    path.write_bytes(msgspec.json.encode({"command": TEXT}))
    assert main(["report", str(path)]) == 2
    refusal = capsys.readouterr().err
    assert COMMANDING.findall(refusal) == []
    assert [line for line in refusal.splitlines() if line.startswith(FORGED)] == []


def test_what_never_ends_is_no_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "/dev/zero"]) == 2
    assert "larger than 64 MiB" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["é ü 漢字 👩‍💻 ─ ×", "two\n    lines", ""])
def test_ordinary_text_stays(text: str) -> None:
    assert visible(text) == text


def test_half_a_character_is_escaped() -> None:
    assert visible("\ud800") == "\\ud800"


def part_of(path: Path, **changes: Any) -> str:
    """Write the report of a shard."""
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(shard(1), **changes)))
    return str(path)


def test_a_merged_part_commands_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fault = Fault(code=TEXT, message=TEXT, count=1, first=TEXT)
    part = part_of(tmp_path / "1.json", errors=[fault], reasons=[TEXT], switches={TEXT: 1})
    assert main(["report", "merge", part]) == 5
    shown = capsys.readouterr().out
    assert "a\\x1b[2J" in shown
    assert COMMANDING.findall(shown) == []
    assert [line for line in shown.splitlines() if line.startswith(FORGED)] == []


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (b"", "1.json: not a report of sfukit"),
        (b"PASS", "1.json: not a report of sfukit"),
        (b'{"command": "check", "schema": "sfukit/check/3"}', "1.json: a run of check"),
        (b'{"command": "loadtest", "schema": "sfukit/loadtest/1"}', "1.json: the schema is"),
        (b'{"command": "loadtest", "schema": "sfukit/loadtest/2"}', "1.json: ValidationError"),
        (b"[" * 100_000, "1.json: not a report of sfukit"),
    ],
)
def test_what_is_no_part_is_refused(
    written: bytes, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "1.json"
    path.write_bytes(written)
    assert main(["report", "merge", str(path)]) == 2
    assert says in capsys.readouterr().err


def test_a_part_with_a_damaged_histogram_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = {"join_ms": Metric(unit="ms", count=1, avg=1.0, max=1.0, hdr="AAAA")}
    assert main(["report", "merge", part_of(tmp_path / "1.json", metrics=metrics)]) == 2
    refusal = capsys.readouterr().err
    assert "1.json: the histogram of join_ms" in refusal and "run it again" in refusal


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        (["/dev/zero"], "larger than 64 MiB"),
        (["absent.json"], "No such file"),
        (["x"] * 1001, "1001 parts"),
        ([], "needs the JSON files of shards"),
    ],
)
def test_parts_are_bounded(parts: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "merge", *parts]) == 2
    assert says in capsys.readouterr().err


def test_a_share_is_compared_with_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part = part_of(tmp_path / "1.json")
    assert main(["report", "compare", part, part]) == 2
    assert "1.json: shard 1 of 3: the figures of a share" in capsys.readouterr().err
    assert main(["loadtest", "--baseline", part]) == 2
    assert "sfukit report merge" in capsys.readouterr().err


def test_parts_that_contradict_themselves_are_merged_or_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every place of a part in turn has numbers and containers that no run writes."""
    whole = made(LoadtestReport, text=TEXT, fields=LOOKED_UP["loadtest"])
    for field in msgspec.structs.fields(LoadtestReport):
        if field.name in ("schema", "command", "shard", "merged"):
            continue
        part = part_of(tmp_path / "1.json", **{field.name: getattr(whole, field.name)})
        forms = [f"--{form}={tmp_path / form}" for form in ("html", "junit", "markdown", "csv")]
        code = main(["report", "merge", part, *forms])
        printed = capsys.readouterr()
        assert code in (2, 3, 4, 5, 130), (field.name, printed.err)
        assert "bug in sfukit" not in printed.err, field.name
        assert COMMANDING.findall(printed.out + printed.err) == [], field.name


def test_a_load_generator_that_took_no_time_is_no_bug(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = shard(1)
    assert report.generator is not None
    idle = msgspec.structs.replace(report.generator, wall_s=0.0)
    assert main(["report", "merge", part_of(tmp_path / "1.json", generator=idle)]) == 2
    assert "the merged parts: ZeroDivisionError" in capsys.readouterr().err
