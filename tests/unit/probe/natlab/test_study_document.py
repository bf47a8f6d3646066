"""docs/nat-study.md shows what is measured now."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[4]


def study_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("nat_study", ROOT / "tools" / "nat_study.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.computes
def test_the_tables_are_current() -> None:
    """When they were meant to change: ``make nat-study``."""
    text = (ROOT / "docs" / "nat-study.md").read_text()
    assert study_tool().filled(text) == text


def test_the_figure_is_there_and_stands_by_itself() -> None:
    figure = (ROOT / "docs" / "images" / "nat-study.svg").read_text()
    assert figure.startswith("<svg ")
    assert "href" not in figure
