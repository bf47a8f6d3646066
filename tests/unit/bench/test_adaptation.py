"""Cases of adaptation: ideal encodings, figures of reports, rows, the document."""

from pathlib import Path

import msgspec
import pytest

from sfukit.loadgen.result.paths import EncodingChange, Estimate, Link, VideoStream
from sfukit.loadgen.result.report import LoadtestReport
from sfukit.loadgen.rfc8867.cases import CASES as RFC
from tests.unit.loadgen.reports.runs import passed
from tools import adaptation_document
from tools.bench.adaptation import drawings, ideal, judge, rows
from tools.bench.adaptation.cases import CASES, HIGH, LOW, MIDDLE
from tools.bench.record import Judged, Measured, Record, look


def link(**changes: object) -> Link:
    usual = Link(
        room="room-1",
        client="s1",
        direction="down",
        bottleneck=None,
        window_rate_bps=600_000.0,
        window_queue_p50_ms=5.0,
        window_queue_p95_ms=40.0,
        window_drop_ratio=0.001,
        window_loss_ratio=0.0,
        start_s=0.2,
        interval_s=0.1,
        capacity_bps=[1_000_000, None, 1_000_000],
        rate_bps=[500_000.0, 0.0, 900_000.0],
        queue_ms=[1.0, None, 3.0],
        queue_max_ms=[2.0, None, 9.0],
        datagrams=[9, 0, 9],
        queue_drops=[0, 0, 1],
        losses=[0, 0, 0],
    )
    return msgspec.structs.replace(usual, **changes)


def stream(*encodings: tuple[float, str], **changes: object) -> VideoStream:
    usual = VideoStream(
        room="room-1",
        client="s1",
        source="p1",
        impaired=True,
        first_frame_s=encodings[0][0],
        end_s=22.0,
        encodings=[EncodingChange(at_s=at_s, encoding=name) for at_s, name in encodings],
        encoding_shares={},
        layer_switches=1,
        freeze_est=0.0,
        longest_gap_ms=90.0,
        loss_raw=0.0,
        loss_after_rtx=0.0,
        bytes_received=1,
    )
    return msgspec.structs.replace(usual, **changes)


def report(duration_s: float, *streams: VideoStream) -> LoadtestReport:
    """Return a report whose window is from 2 s on."""
    made = passed()
    scenario = msgspec.structs.replace(
        made.scenario, ramp_s=0.0, warmup_s=2.0, duration_s=duration_s
    )
    return msgspec.structs.replace(
        made, scenario=scenario, links=[link()], video_streams=list(streams)
    )


@pytest.mark.parametrize(
    ("capacity_bps", "name"),
    [(100e3, LOW), (600e3, LOW), (1e6, MIDDLE), (2e6, MIDDLE), (2.5e6, HIGH), (5e6, HIGH)],
)
def test_the_ideal_encoding_fits_85_percent(capacity_bps: float, name: str) -> None:
    assert ideal.ideal(capacity_bps, audio=True) == name


def test_the_share_of_a_flow_depends_on_how_many_are_active() -> None:
    shares = dict(ideal.fair_shares(RFC["5.8"]))
    assert shares[0] == pytest.approx(3.5e6 / 3) and shares[40] == pytest.approx(3.5e6 / 2)
    assert dict(ideal.fair_shares(RFC["5.4"]))[0] == pytest.approx(3.5e6)


def test_a_stay_is_measured_against_an_ideal_that_changes() -> None:
    wanted = [(0.0, MIDDLE), (10.0, HIGH), (20.0, LOW)]
    received = [(0.0, MIDDLE), (12.5, HIGH), (20.5, MIDDLE), (21.0, LOW)]
    found = ideal.stay(received, wanted, 0.0, 30.0)
    assert (found.rises_s, found.drops_s) == ([2.5], [1.0])
    assert found.share == pytest.approx((30 - 2.5 - 1.0) / 30)
    never = ideal.stay([(0.0, MIDDLE)], wanted, 0.0, 30.0)
    assert (never.rises_s, never.drops_s) == ([10.0], [10.0])
    assert ideal.share_of(received, MIDDLE, 0.0, 30.0) == pytest.approx(0.7)


def test_a_narrow_viewer_is_judged_from_its_first_frame() -> None:
    made = report(20, stream((0.5, HIGH), (3.5, MIDDLE)))
    values = judge.measured(CASES["1m"], made)
    assert values["settled_s"] == pytest.approx(3.0)
    assert values["ideal_share"] == pytest.approx((22 - 3.5) / (22 - 2.5))
    assert (values["queue_p95_ms"], values["loss"]) == (40.0, 0.001)
    met = {one.name: one.met for one in judge.figures(CASES["1m"], made, "gcc")}
    assert met["gcc: first frame to the ideal encoding, slowest"] is False
    assert met["gcc: wait in the queue, p95"] is True


def test_the_capacities_of_a_scaled_case_are_scaled() -> None:
    """Case 5.1 in 20 of its 100 s: the capacity rises to 2.5 Mb/s at 8 s of the window."""
    received = stream((0.5, MIDDLE), (11.0, HIGH), (15.0, LOW), (18.2, MIDDLE))
    values = judge.measured(CASES["5.1"], report(20, received))
    assert values["rise_s"] == pytest.approx(1.0)
    assert values["drop_s"] == pytest.approx(1.0)


def test_one_large_stream_among_small_ones_is_what_four_publishers_want() -> None:
    made = report(
        20,
        stream((1.0, HIGH), (12.0, LOW), source="p1"),
        stream((1.0, LOW), (12.5, HIGH), source="p2"),
    )
    values = judge.measured(CASES["four"], made)
    assert values["large_share"] == pytest.approx((21 - 0.5) / 21)


def test_a_paused_flow_leaves_its_share_to_others() -> None:
    case = CASES["5.8"]
    made = report(120, stream((0.5, MIDDLE), (45.0, HIGH), client="flow-1-1", end_s=122.0))
    assert judge.measured(case, made)["gap_used_s"] == pytest.approx(3.0)


def test_estimates_are_held_against_the_fair_share_after_10_s() -> None:
    case = CASES["5.2"]
    early = [Estimate(at_s=3.0, bps=9e6), Estimate(at_s=11.9, bps=9e6)]
    later = [Estimate(at_s=at_s, bps=2.5e6) for at_s in (13.0, 20.0)]  # the share is 2 Mb/s
    made = report(125, stream((0.5, MIDDLE)))
    made = msgspec.structs.replace(made, links=[link(estimates=[*early, *later])])
    assert judge.measured(case, made)["estimate_off"] == pytest.approx(0.25)
    without = report(125, stream((0.5, MIDDLE)))
    found = {one.name: one.met for one in judge.figures(case, without, "none")}
    assert found["none: estimate, off the fair share from 10 s after a change, worst"] is False


def test_every_reach_is_of_a_known_figure_and_every_case_is_a_row() -> None:
    for name, case in CASES.items():
        assert set(case.reach) <= set(judge.FIGURES), name
        assert case.clean is None or case.clean in CASES
    made = rows.rows((), ["gcc", "none"])
    assert list(made)[:2] == ["1m gcc", "1m none"] and len(made) == 2 * len(CASES)
    files = {name: f"/tmp/{name}" for case in CASES.values() for name in case.files}
    for case in CASES.values():
        options = list(rows.options(case, "gcc", files))
        assert "--server-args=--bwe gcc" in options
        assert all(file not in options for file in case.files)


def test_a_drawing_follows_the_colour_scheme() -> None:
    made = report(20, stream((0.5, HIGH), (3.5, MIDDLE)))
    drawn = drawings.drawing(made, "5.1 <b>", audio=True)
    assert drawn is not None
    assert "prefers-color-scheme:dark" in drawn and "5.1 &lt;b&gt;" in drawn
    assert drawings.drawing(passed(), "nothing", audio=True) is None


def test_the_document_keeps_the_figures_of_other_estimators(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs/images").mkdir(parents=True)
    (tmp_path / "tools/bench/adaptation").mkdir(parents=True)
    adaptation_document.DOCUMENT.write_text(
        "a\n<!-- table -->\nold\n<!-- end of the table -->\nb\n"
        "<!-- drawings -->\n<!-- end of the drawings -->\n"
    )
    made = report(20, stream((0.5, MIDDLE)))
    for mode in ("none", "gcc"):
        figures = judge.figures(CASES["5.1"], made, mode)
        row = Measured(
            row=rows.name_of("5.1", mode),
            what="",
            seconds=1.0,
            commands=["command"],
            figures=[Judged(one, one.met) for one in figures],
        )
        path = tmp_path / f"{mode}.json"
        path.write_bytes(
            msgspec.json.encode(
                Record(scale=1.0, place=look(), rows=[row], reports={"command": made})
            )
        )
        monkeypatch.setattr("sys.argv", ["document", str(path)])
        adaptation_document.main()
    text = adaptation_document.DOCUMENT.read_text()
    assert "| case | figure | reach | `gcc` | `none` |" in text and "old" not in text
    assert "40 ms | 40 ms" in text
    assert "images/adaptation-5.1-gcc.svg" in text
