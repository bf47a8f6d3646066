"""A TOML file that a user wrote: every error names the file, the line and the key."""

import difflib
import re
import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path as FilePath
from typing import Any

from sfukit.errors import UsageError
from sfukit.loadgen.scenario_file.keys import Key
from sfukit.loadgen.scenario_file.lines import Path, key_lines, line_of

_LARGEST_BYTES = 256 * 1024
_LINE = re.compile(r"\(at (?:line (\d+), column \d+|end of document)\)")


class Document:
    """The values of a file, and the line of each key."""

    def __init__(self, text: str, name: str, refused: Collection[str] = ()) -> None:
        """Parse a TOML document; raise ``UsageError`` for text that is not TOML.

        ``refused`` are the options of the command line that a file must not set.
        """
        self._name = name
        self._refused = refused
        try:
            self.values: dict[str, Any] = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            place = _LINE.search(str(error))
            at_end = len(text.splitlines())
            line = f":{place[1] or at_end}" if place else ""
            message = _LINE.sub("", str(error)).strip() or "not TOML"
            raise UsageError(f"{name}{line}: {message}", hint="see https://toml.io") from error
        self._lines = key_lines(text)

    def tables(self, name: str, allowed: Mapping[str, Key], most: int) -> list[dict[str, Any]]:
        """Return an array of tables whose keys are checked."""
        tables = self.values.get(name, [])
        if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
            raise UsageError(f"{self.where((name,))}: no list of tables", hint=f"give [[{name}]]")
        if len(tables) > most:
            raise UsageError(f"{self.where((name, most))}: more than {most}")
        for place, table in enumerate(tables):
            self.check(table, allowed, (name, place))
        return tables

    def check(self, table: dict[str, Any], allowed: Mapping[str, Key], path: Path) -> None:
        """Check the keys of a table: their names, types and values."""
        for name, value in table.items():
            where = self.where((*path, name))
            key = allowed.get(name)
            if key is None:
                raise self._unknown(name, where, allowed)
            if type(value) not in key.types:
                raise UsageError(
                    f"{where} = {shown(value)}: wrong type", hint=f"give {key.expected}"
                )
            key.check(value, where)

    def where(self, path: Path) -> str:
        """Return file, line and key, as editors and compilers show them."""
        key = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in path)
        return f"{self._name}:{line_of(self._lines, path)}: {key.removeprefix('.')}"

    def _unknown(self, name: str, where: str, allowed: Mapping[str, Key]) -> UsageError:
        if name in self._refused:
            option = name.replace("_", "-")
            return UsageError(
                f"{where}: not allowed in a scenario file",
                hint=f"give --{option} on the command line",
            )
        nearest = difflib.get_close_matches(name, allowed, n=3, cutoff=0.5) or list(allowed)
        return UsageError(f"{where}: unknown key", hint=f"nearest: {', '.join(nearest)}")


def read(name: str, option: str) -> str:
    """Return the text of a file; ``option`` named it, and is named where it cannot be read."""
    try:
        with FilePath(name).open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{option} {name}: {error.strerror}") from error
    if len(content) > _LARGEST_BYTES:
        raise UsageError(f"{option} {name}: larger than {_LARGEST_BYTES // 1024} KiB")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{option} {name}: not UTF-8, at byte {error.start}") from error
    return text.replace("\r\n", "\n")


def shown(value: object) -> str:
    """Return a value as an error quotes it."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
