"""Rules of the package that no linter knows."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import sfukit

ROOT = Path(__file__).resolve().parents[2]
MAY_IMPORT_NATIVE = ("extension.py", "server", "swarm")


def imports_native(path: Path) -> bool:
    return "sfukit._native" in set(imported_names(path))


def imported_names(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{name.name}" for name in node.names)


def test_only_server_and_swarm_touch_the_extension() -> None:
    package = ROOT / "sfukit"
    importers = {
        p.relative_to(package).parts[0] for p in package.rglob("*.py") if imports_native(p)
    }
    assert importers <= set(MAY_IMPORT_NATIVE)


def test_the_version_is_the_same_everywhere() -> None:
    cargo = re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
    assert cargo is not None
    assert sfukit.__version__ == cargo[1]


def test_the_map_names_files_that_exist() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    named = re.findall(r"`([\w/.-]+/[\w.-]+\.(?:rs|py|md|toml))`", text)
    assert len(named) > 50
    assert [path for path in named if not _is_in_the_repository(path)] == []


def _is_in_the_repository(path: str) -> bool:
    """Look a path up as the map writes it: from the root, from sfukit/, or ``sfu/x.rs``."""
    crate, _, within = path.partition("/")
    places = (ROOT / path, ROOT / "sfukit" / path, ROOT / "crates" / crate / "src" / within)
    return any(place.is_file() for place in places) or bool(list(ROOT.glob(f"crates/*/{path}")))
