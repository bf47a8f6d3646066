"""The extension ``sfukit._native`` has to be built from the messages that this package has.

The extension contains the Python mirrors of its messages as they were when it was built
(``crates/native/src/mirrors.rs``). Comments, docstrings and functions are not compared.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from sfukit.errors import MachineError

_PACKAGE = Path(__file__).parent
_MOST_NAMED = 3


def check() -> None:
    """Raise ``MachineError`` where the extension is missing or was built from other messages."""
    try:
        from sfukit import _native
    except ImportError as error:
        raise MachineError(f"the media engine is not built: {error}", hint=_fix()) from error
    mirrors = getattr(_native, "MIRRORS", None)
    if mirrors is None:
        raise _stale("it is older than this version of sfukit")
    different = differences(mirrors, _PACKAGE)
    if different:
        more = len(different) - _MOST_NAMED
        named = ", ".join(different[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
        raise _stale(f"its messages differ from those of the Python package: {named}")


def differences(mirrors: Sequence[tuple[str, str]], package: Path) -> list[str]:
    """Return the messages whose fields differ between the mirrors and the files of a package."""
    found: list[str] = []
    for path, built in mirrors:
        installed = package / path
        if not installed.is_file():
            found.append(path)
        elif (text := installed.read_text(encoding="utf-8")) != built:
            found += _changed(_definitions(built), _definitions(text))
    return found


def _changed(built: Mapping[str, str], installed: Mapping[str, str]) -> Iterator[str]:
    names = dict.fromkeys([*installed, *built])
    return (name for name in names if built.get(name) != installed.get(name))


def _definitions(text: str) -> dict[str, str]:
    """Return the public types of a module: structures with their fields, and aliases of types."""
    found: dict[str, str] = {}
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef):
            fields = sorted(ast.dump(one) for one in node.body if isinstance(one, ast.AnnAssign))
            bases = [ast.dump(one) for one in [*node.bases, *node.keywords]]
            found[node.name] = repr((bases, fields))
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name[0].isupper() and not name.isupper():  # `Srtp`: no constant
                found[name] = ast.dump(node.value)
    return found


def _stale(reason: str) -> MachineError:
    return MachineError(
        f"the media engine (sfukit._native) was built from another version: {reason}", hint=_fix()
    )


def _fix() -> str:
    """Return what builds the extension: of a checkout, else of the installed package."""
    if (_PACKAGE.parent / "Makefile").is_file():
        return "make setup"
    return "pip install --force-reinstall sfukit"
