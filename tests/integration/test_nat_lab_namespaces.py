"""The model against the kernel: the same pairs meet in network namespaces."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sfukit.probe.natlab import matrix, punch
from sfukit.probe.natlab.conditions import Conditions
from sfukit.probe.natlab.kinds import KINDS, MATRIX_KINDS
from sfukit.probe.natlab.strategy_names import REAL_STRATEGIES

pytestmark = [pytest.mark.realtime, pytest.mark.network_namespace]

BESIDE = (
    ("eim-not-preserving", "port-restricted"),
    ("adm", "address-restricted"),
    ("apdm", "port-restricted"),
    ("firewall", "symmetric-random"),
    ("open", "symmetric-random"),
    ("hairpin", "port-restricted"),
    ("cgnat:port-restricted", "port-restricted"),
    ("cgnat:symmetric-random", "port-restricted"),
    ("udp-blocked", "full-cone"),
)


async def test_the_same_cells_of_the_matrix_succeed() -> None:
    differing = []
    for a, b in matrix.pairs([KINDS[name] for name in MATRIX_KINDS]):
        for strategy in REAL_STRATEGIES:
            real = await punch.cell(strategy, a, b, Conditions(), 1, 1)
            model = matrix.cell(strategy, a, b, Conditions(), 200, 1)
            if (real.direct >= 0.5) != (model.direct >= 0.5):
                differing.append((a.name, b.name, strategy, real.direct, model.direct))
    assert differing == []


@pytest.mark.parametrize(("a", "b"), BESIDE)
async def test_every_other_kind_matches_the_model(a: str, b: str) -> None:
    pair = (KINDS[a], KINDS[b])
    real = await punch.cell("punch", *pair, Conditions(), 1, 1)
    model = matrix.cell("punch", *pair, Conditions(), 200, 1)
    assert (real.direct >= 0.5) == (model.direct >= 0.5)


async def test_loss_is_survived_in_namespaces_too() -> None:
    pair = (KINDS["port-restricted"], KINDS["port-restricted"])
    real = await punch.cell("punch", *pair, Conditions(loss=0.05), 10, 1)
    assert real.direct >= 0.9


@pytest.mark.parametrize("other", ["port-restricted", "symmetric-sequential"])
async def test_neighbours_spoil_a_prediction_as_much_as_in_the_model(other: str) -> None:
    pair = (KINDS[other], KINDS["symmetric-sequential"])
    busy = Conditions(cross_traffic_per_s=20)
    real = await punch.cell("predict", *pair, busy, 60, 1)
    model = matrix.cell("predict", *pair, busy, 10_000, 1)
    assert real.direct_low <= model.direct <= real.direct_high


def test_an_interrupt_leaves_no_namespace_behind_and_keeps_the_report(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sfukit", "nat-lab", "matrix", "--backend", "netns"]
    environment = {**os.environ, "XDG_STATE_HOME": str(tmp_path)}
    before = namespaces()
    process = subprocess.Popen(
        [*command, "--runs", "50", "--json", "-"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )
    while namespaces() <= before:  # none of its own yet
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the programs it started too
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert namespaces() <= before
    document = json.loads(out)
    assert document["verdict"] == "inconclusive"
    assert len(document["cells"]) == 1


def namespaces() -> set[str]:
    folder = Path("/run/netns")
    return {path.name for path in folder.glob("sfulab*")} if folder.exists() else set()
