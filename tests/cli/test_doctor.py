"""``sfukit doctor``: facts judged, fixes named, JSON and exit code."""

import json
from pathlib import Path

import msgspec
import pytest

from sfukit import machine, report
from sfukit.cli.app import main
from sfukit.cli.doctor import DoctorReport
from sfukit.loadgen.host.placement import Cores
from sfukit.loadgen.run import notes
from sfukit.machine import Machine

SCHEMA = Path(__file__).parents[2] / "docs" / "schema" / "doctor.json"

FIT = Machine(
    system="Linux",
    kernel="6.1.0",
    cpu_model="Some CPU",
    cores=4,
    memory_bytes=8 * 2**30,
    open_files_soft=1024,
    open_files_hard=1_048_576,
    rmem_max=8_388_608,
    wmem_max=8_388_608,
    udp_segment=True,
    udp_gro=True,
    run_queue_wait=True,
    free_page_reporting=False,
    pagelist_high_fraction=0,
    page_reporting_order=5,
)


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def doctor(monkeypatch: pytest.MonkeyPatch, facts: Machine, *options: str) -> int:
    monkeypatch.setattr(machine, "inspect", lambda: facts)
    return main(["doctor", *options])


def test_a_fit_machine_passes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor(monkeypatch, FIT) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[-1] == "PASS  fit"
    assert "sysctl" not in shown


@pytest.mark.parametrize(
    ("changes", "code", "says"),
    [
        ({"open_files_hard": 1024}, 3, "ulimit -Hn 1700"),
        ({"rmem_max": 212_992}, 3, "sudo sysctl -w net.core.rmem_max=8388608"),
        ({"wmem_max": 2_097_152}, 0, "sudo sysctl -w net.core.wmem_max=8388608"),
        ({"udp_segment": False}, 0, "3 to 6 times the CPU"),
        ({"udp_gro": None}, 0, "unknown on this system"),
        ({"cores": 1}, 0, "different machines"),
        ({"run_queue_wait": False}, 0, "no /proc/PID/schedstat"),
        ({"free_page_reporting": True}, 0, "sudo sysctl -w vm.percpu_pagelist_high_fraction=8"),
        (
            {"free_page_reporting": True, "pagelist_high_fraction": 8},
            0,
            "echo 10 | sudo tee /sys/module/page_reporting/parameters/page_reporting_order",
        ),
        ({"free_page_reporting": True, "pagelist_high_fraction": None}, 0, "the kernel has no vm."),
        ({"free_page_reporting": None}, 0, "unknown on this system"),
    ],
)
def test_problems_are_named_with_their_fix(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, int | bool | None],
    code: int,
    says: str,
) -> None:
    assert doctor(monkeypatch, msgspec.structs.replace(FIT, **changes)) == code
    assert says in capsys.readouterr().out


@pytest.mark.parametrize("page_reporting_order", [10, None])
def test_long_page_lists_and_large_reports_fix_free_page_reporting(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    page_reporting_order: int | None,
) -> None:
    mended = msgspec.structs.replace(
        FIT,
        free_page_reporting=True,
        pagelist_high_fraction=8,
        page_reporting_order=page_reporting_order,
    )
    assert doctor(monkeypatch, mended) == 0
    assert "sudo" not in capsys.readouterr().out


def test_free_page_reporting_is_ok_for_few_clients(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = msgspec.structs.replace(FIT, free_page_reporting=True)
    assert doctor(monkeypatch, facts, "-c", "20") == 0
    assert "sudo" not in capsys.readouterr().out


@pytest.mark.parametrize(("cores", "spared"), [(1, False), (2, True), (3, True), (4, False)])
def test_free_page_reporting_names_the_core_swap(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cores: int, spared: bool
) -> None:
    facts = msgspec.structs.replace(FIT, free_page_reporting=True, cores=cores)
    assert doctor(monkeypatch, facts) == 0
    assert ("--pin exchange" in capsys.readouterr().out) == spared


@pytest.mark.parametrize("cores_swapped", [True, False])
def test_a_load_test_with_core_swap_prints_no_fix(
    monkeypatch: pytest.MonkeyPatch, cores_swapped: bool
) -> None:
    facts = msgspec.structs.replace(FIT, free_page_reporting=True, rmem_max=212_992)
    monkeypatch.setattr(machine, "inspect", lambda: facts)
    told = notes(500, Cores("exchange", (0, 1), (0, 1), cores_swapped))
    named = [note.partition(":")[0] for note in told]
    assert named == ["receive buffer"] + ["free memory"] * (not cores_swapped)


@pytest.mark.parametrize(
    ("features", "given_back"),
    [([], False), (["01100" + "0" * 59], False), (["011001" + "0" * 58], True)],
)
def test_the_features_of_the_balloon_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, features: list[str], given_back: bool
) -> None:
    for nth, digits in enumerate(features):
        (tmp_path / f"virtio{nth}").mkdir()
        (tmp_path / f"virtio{nth}" / "features").write_text(digits + "\n")
    monkeypatch.setattr(machine, "_BALLOONS", tmp_path)
    monkeypatch.setattr(machine.platform, "system", lambda: "Linux")
    assert machine.inspect().free_page_reporting is given_back


def test_json_on_standard_output_moves_the_text_to_standard_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor(monkeypatch, msgspec.structs.replace(FIT, rmem_max=4096), "--json", "-") == 3
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert list(document)[:6] == ["schema", "tool", "version", "command", "verdict", "exit_code"]
    assert (document["verdict"], document["exit_code"]) == ("fail", 3)
    assert "receive buffer" in captured.err


def test_the_run_is_kept_and_printed_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    doctor(monkeypatch, FIT)
    first = capsys.readouterr().out.splitlines()
    assert main(["report", "last"]) == 0
    assert capsys.readouterr().out.splitlines() == first


def test_the_published_schema_is_that_of_the_report() -> None:
    """When it was meant to change: write the schema there again."""
    assert json.loads(SCHEMA.read_text()) == report.schema(DoctorReport)


def test_zero_clients_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "-c", "0"]) == 2
    assert "--clients" in capsys.readouterr().err


def test_the_real_machine_is_read() -> None:
    facts = machine.inspect()
    assert facts.cores >= 1
    assert facts.kernel
