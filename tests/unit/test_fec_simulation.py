"""What docs/audio.md concludes from the simulation of FEC holds, and its table is the tool's."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def fec() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fec", ROOT / "tools/fec_simulation.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["fec"] = module
    spec.loader.exec_module(module)
    return module


def test_without_loss_nothing_is_added_but_parity_and_nothing_freezes(fec: ModuleType) -> None:
    for scheme in fec.SCHEMES:
        outcome = fec.simulate(scheme, 0.0, 10.0, 1)
        assert (outcome.frozen, outcome.frozen_delayed) == (0.0, 0.0)
        assert outcome.overhead == pytest.approx(scheme.parity / fec.PACKETS)
        assert outcome.delay_ms(99) == pytest.approx(95, abs=1)


@pytest.mark.parametrize("loss", [0.05, 0.10])
def test_a_copy_of_retransmissions_freezes_less_than_fec(fec: ModuleType, loss: float) -> None:
    by_name = {scheme.name: fec.simulate(scheme, loss, 60.0, 1) for scheme in fec.SCHEMES}
    copied = by_name["retransmission, a copy 20 ms later"]
    for name in ("FEC 1 of 7", "FEC 2 of 8", "FEC 3 of 9"):
        assert copied.frozen_delayed <= by_name[name].frozen_delayed
        assert copied.overhead < by_name[name].overhead
        assert by_name[name].delay_ms(50) < copied.delay_ms(50)


def test_the_documented_rows_are_those_of_the_tool(fec: ModuleType) -> None:
    document = (ROOT / "docs/audio.md").read_text()
    names = {row.split(" | ")[1] for row in document.splitlines() if row.startswith("| 5%")}
    assert names <= {scheme.name for scheme in fec.SCHEMES}
    assert next(iter(fec.table([], 1.0, 1))) in document
