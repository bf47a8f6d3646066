"""docs/serve.md lists every setting with its default, every metric with its labels."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import FieldInfo

from sfukit.server.metrics import Metrics
from sfukit.server.mock_engine import MockEngine
from sfukit.server.settings import Rate, Settings, load

_DOCUMENT = (Path(__file__).parents[3] / "docs" / "serve.md").read_text(encoding="utf-8")
_ROW = re.compile(r"^\| `([a-z_.]+)` \| (\S.*?) \| \S.* \|$", re.MULTILINE)


def _rows(section: str) -> dict[str, str]:
    """Read the first two columns of the tables of a section."""
    text = _DOCUMENT.split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    return dict(_ROW.findall(text))


def _settings(struct: type[msgspec.Struct], prefix: str = "") -> Iterator[tuple[str, str]]:
    for field in msgspec.structs.fields(struct):
        default = _default(field)
        if isinstance(default, Rate):
            yield (
                f"{prefix}{field.name}",
                f"`{{ per_s = {default.per_s}, burst = {default.burst} }}`",
            )
        elif isinstance(default, msgspec.Struct):
            yield from _settings(type(default), f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", _toml(default)


def _default(field: FieldInfo) -> Any:
    if field.default_factory is not msgspec.NODEFAULT:
        return field.default_factory()
    return field.default


def _toml(value: Any) -> str:
    if value is None:
        return "none"
    return f"`{msgspec.json.encode(value).decode()}`"


def test_every_setting_is_listed_with_its_default() -> None:
    assert _rows("Settings file") == dict(_settings(Settings))


@pytest.mark.asyncio
async def test_every_metric_is_listed_with_its_labels() -> None:
    metrics = Metrics()
    metrics.register_engine(MockEngine())
    listed = {}
    for family in metrics.registry.collect():
        total = "_total" if family.type == "counter" else "_info" if family.type == "info" else ""
        listed[family.name + total] = family.type
    assert _rows("Metrics") == listed


def test_the_example_of_a_settings_file_is_one(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", _DOCUMENT, re.DOTALL)
    assert example
    file = tmp_path / "sfukit.toml"
    file.write_text(example[1])
    settings = load(file, {})
    assert settings.advertise == ("203.0.113.7",)
    assert settings.limits.max_participants == 2000
