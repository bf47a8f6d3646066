"""``-v``: the longer text of a load test, after a run and of a saved one."""

from pathlib import Path

import msgspec
import pytest

from sfukit import report
from sfukit.cli.app import main
from sfukit.cli.loadtest_long_text import result_lines
from sfukit.loadgen.result.report import LoadtestReport, Worst
from sfukit.swarm import impairment
from tests.instances import made
from tests.unit.loadgen.reports.runs import changed, gate, large, passed

TITLES = "avg       p50       p95       p99       max"


def worst(number: int) -> Worst:
    return Worst(
        room="room-1", bot=f"p{number}", source="p9", metric="frozen", value=0.5, unit="ratio"
    )


def labels(run: LoadtestReport) -> list[str]:
    """Return the first word of each line that begins a part."""
    return [line.split()[0] for line in result_lines(run) if not line.startswith(" ")]


def test_gates_come_first_and_the_verdict_last() -> None:
    run = changed(passed(), worst=[worst(number) for number in range(5)], gates=[gate(True)])
    parts = labels(run)
    order = ("gates", "clients", "metrics", "media", "worst", "load", "PASS")
    assert [parts.index(part) for part in order] == sorted(parts.index(part) for part in order)
    assert (parts[0], parts[-1]) == ("gates", "PASS")


def test_every_metric_with_values_is_printed_by_its_name() -> None:
    run = passed()
    lines = result_lines(run)
    assert f"metrics                      {TITLES}" in lines
    known = [name for name, metric in run.metrics.items() if metric.count]
    assert len(known) > 5
    assert set(known) <= set(labels(run))
    unknown = [name for name, metric in run.metrics.items() if not metric.count]
    assert unknown and not set(unknown) & set(labels(run))


def test_the_worst_five_streams_are_printed() -> None:
    lines = result_lines(changed(passed(), worst=[worst(number) for number in range(5)]))
    shown = [line for line in lines if "of p9: frozen 50 %" in line]
    assert [line[16:25] for line in shown] == [f"room-1 p{number}" for number in range(5)]


def test_failed_clients_are_named_up_to_ten() -> None:
    run = large(clients=20)
    few = [msgspec.structs.replace(one, failure="timeout") for one in run.clients[:12]]
    others = [msgspec.structs.replace(one, failure="") for one in run.clients[12:]]
    lines = result_lines(changed(run, clients=[*few, *others]))
    assert sum(line.endswith(": timeout") for line in lines) == 10
    assert f"{'':16}and 2 others that failed" in lines


def test_the_network_is_in_words() -> None:
    run = passed()
    shaped = impairment.parse("rate=2M,delay=50ms,jitter=10ms,loss=3%,burst=4", "--net-up")
    scenario = msgspec.structs.replace(run.scenario, net_up=shaped, impaired_clients=1)
    lines = result_lines(changed(run, scenario=scenario))
    assert (
        "network up      2 Mb/s with a queue of 300 ms, 50 ms delay, 10 ms jitter, "
        "3 % loss in bursts of 4" in lines
    )
    assert any(line.startswith("clients") and line.endswith(", 1 impaired") for line in lines)


def test_both_sides_are_printed_in_full() -> None:
    run = made(LoadtestReport, fields={"metrics": passed().metrics})
    text = "\n".join(result_lines(run))
    assert "1 packets received, 1 sent, busiest thread 150% of a core" in text
    assert "1 unsent" in text
    assert result_lines(changed(run, server=None, generator=None))


def test_a_saved_run_is_printed_longer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = tmp_path / "run.json"
    saved.write_text(report.encode(passed()))
    assert main(["report", str(saved)]) == 0
    short = capsys.readouterr().out.splitlines()
    assert main(["report", str(saved), "--verbose"]) == 0
    long = capsys.readouterr().out.splitlines()
    assert long[:2] == short[:2]
    assert long[-1] == short[2]  # the verdict
    assert len(long) > len(short)
