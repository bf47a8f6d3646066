"""``sfukit nat-lab``: tables, weights, gates, JSON, page, refusals."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sfukit import report
from sfukit.cli.app import main
from sfukit.probe.natlab.result import NatLabReport

SCHEMA = Path(__file__).parents[2] / "docs" / "schema" / "nat-lab.json"
QUICK = ("--runs", "200")


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "mix.toml"
    path.write_text("[mix]\nport-restricted = 3\nsymmetric-random = 1\n[network]\nloss = '2%'\n")
    return path


def test_the_matrix_of_fifteen_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nat-lab", "matrix", *QUICK]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("nat-lab  simulation, 200 runs a cell, seed 1; no loss")
    (met,) = [line for line in shown.splitlines() if line.startswith("pairs met")]
    assert re.findall(r"(\d+) of 15", met) == ["10", "12", "13", "12"]
    assert "no rate over all pairs" in shown
    assert all(len(line) <= 79 for line in shown.splitlines() if line[:2] == "  ")


def test_one_seed_one_table(capsys: pytest.CaptureFixture[str]) -> None:
    tables = []
    for seed in ("3", "3", "4"):
        main(["nat-lab", "matrix", *QUICK, "--seed", seed])
        tables.append(capsys.readouterr().out.split("\n", 1)[1])
    assert tables[0] == tables[1] != tables[2]


def test_rates_come_with_their_weights(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["nat-lab", "matrix", *QUICK, "--weights", str(weights), "--strategy", "turn"]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "weights  port-restricted 75.0 %, symmetric-random 25.0 %" in shown
    assert "direct, over all pairs, %            56.2" in shown
    assert "loss 2.0 %" in shown


def test_one_pair_under_every_strategy(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        main(["nat-lab", "run", "--a", "port-restricted", "--b", "symmetric-sequential", *QUICK])
        == 0
    )
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in lines if line.startswith(("punch ", "predict "))] == [
        "0",
        "100",
    ]


@pytest.mark.parametrize(
    ("gate", "code"),
    [
        ("predict.pairs_met>=12", 0),
        ("predict.pairs_met>12", 3),
        ("predict.direct>0.5", 5),  # without weights there is no rate over all pairs
        ("predict.pairs>0", 2),
    ],
)
def test_gates(gate: str, code: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nat-lab", "matrix", *QUICK, "-T", gate]) == code
    if code == 2:
        assert "predict.pairs_met" in capsys.readouterr().err


def test_json_and_page(tmp_path: Path, weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "lab.html"
    options = ["--json", "-", "--html", str(page), "--weights", str(weights)]
    assert main(["nat-lab", "matrix", *QUICK, *options]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert list(document)[:6] == ["schema", "tool", "version", "command", "verdict", "exit_code"]
    assert document["weights"] == {"port-restricted": 0.75, "symmetric-random": 0.25}
    assert document["metrics"]["punch"]["direct"] == pytest.approx(0.5625, abs=0.001)
    assert "nat-lab" in captured.err
    html = page.read_text()
    assert "port-restricted × symmetric-random" in html
    assert "http" not in html.replace("http-equiv", "")


def test_the_run_is_kept_and_printed_again(capsys: pytest.CaptureFixture[str]) -> None:
    main(["nat-lab", "matrix", *QUICK])
    first = capsys.readouterr().out
    assert main(["report", "nat-lab"]) == 0
    assert capsys.readouterr().out == first


def test_the_published_schema_is_that_of_the_report() -> None:
    """When it was meant to change: write the schema there again."""
    assert json.loads(SCHEMA.read_text()) == report.schema(NatLabReport)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["run", "--a", "cone", "--b", "port-restricted"], "--a: no kind of NAT is called cone"),
        (["run", "--a", "port-restricted", "--b", "EIM/EIF"], "--b"),
        (["matrix", "--strategy", "luck"], "--strategy luck"),
        (["matrix", "--runs", "0"], "--runs"),
        (["matrix", "--seed", "-1"], "--seed"),
        (["matrix", "--backend", "cloud"], "--backend cloud"),
        (["matrix", "--weights", "/nowhere.toml"], "/nowhere.toml"),
    ],
)
def test_refusals(options: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nat-lab", *options]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[mix]\ncone = 1\n", "no kind of NAT is called cone"),
        ("[mix]\nport-restricted = -1\n", "is no share"),
        ("[mix]\nport-restricted = 0\n", "weighs nothing"),
        ("[mix]\nport-restricted = nan\n", "is no share"),
        ("[mix]\nport-restricted = 1\n[network]\nloss = '200%'\n", "above 100%"),
        ("[mix]\nport-restricted = 1\n[network]\nspeed = 3\n", "the name is unknown"),
        ("[mix]\nport-restricted = 1\n[network]\nrtt_ms = -4\n", "cannot be used"),
        ("[mix\n", "mix.toml"),
        ("\x00\xff", "mix.toml"),
    ],
)
def test_bad_weights(
    text: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mix.toml"
    path.write_text(text)
    assert main(["nat-lab", "matrix", "--weights", str(path)]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["run", "--a", "port-restricted", "--b", "same"], "not supported in network namespaces"),
        (["run", "--a", "EIM/EIF/random", "--b", "adm"], "EIM/EIF/random: "),
        (["matrix"], "needs root"),
    ],
)
def test_what_namespaces_cannot_do(
    options: list[str],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert main(["nat-lab", *options, "--backend", "netns"]) == 2
    assert says in capsys.readouterr().err


def test_the_base_install_has_the_options_without_numpy() -> None:
    script = (
        "import sys; sys.modules['numpy'] = None\n"
        "from sfukit.cli.app import main\n"
        "codes = [main(['nat-lab', 'matrix', '--help']), main(['nat-lab', 'matrix'])]\n"
        "sys.exit(codes != [0, 2])"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "sfukit[media]" in run.stderr


def test_without_numpy_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert main(["nat-lab", "matrix"]) == 2
    assert "pip install 'sfukit[media]'" in capsys.readouterr().err


def test_few_runs_are_written_as_such(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nat-lab", "matrix", "--runs", "20"]) == 0
    shown = capsys.readouterr().out
    assert "direct (no relay), runs" in shown
    assert "20 of 20" in shown
    assert main(["nat-lab", "run", "--a", "adm", "--b", "port-restricted", "--runs", "20"]) == 0
    assert "  0 of 20" in capsys.readouterr().out
