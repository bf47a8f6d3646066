"""The line of each key of a TOML document that has been parsed: ``tomllib`` has none. Pure."""

from collections import Counter
from collections.abc import Iterator

Path = tuple[str | int, ...]

_QUOTES = ('"""', "'''", '"', "'")


def key_lines(text: str) -> dict[Path, int]:
    """Return the line of each table and key by its path, from 1; tables of an array are counted.

    Keys within an inline table are absent: theirs is the line of the key before it. The document
    has to be valid.
    """
    return dict(_Scanner(text).statements())


def line_of(lines: dict[Path, int], path: Path) -> int:
    """Return the line of a key, else of the nearest key around it."""
    while path and path not in lines:
        path = path[:-1]
    return lines.get(path, 1)


class _Scanner:
    """The statements of a document: table headers, and keys with their values."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._table: Path = ()
        self._arrays: Counter[Path] = Counter()

    def statements(self) -> Iterator[tuple[Path, int]]:
        """Return path and line of each statement."""
        while self._skip_blank():
            line = self._text.count("\n", 0, self._at) + 1
            if self._text.startswith("[", self._at):
                yield self._header(), line
            else:
                path = self._table + tuple(self._key("="))
                yield path, line
                self._skip_value()

    def _header(self) -> Path:
        is_array = self._text.startswith("[[", self._at)
        self._at += 2 if is_array else 1
        names = self._key("]")
        self._at += 1 if is_array else 0
        path: Path = ()
        for name in names[:-1]:
            path = (*path, name)
            if path in self._arrays:
                path = (*path, self._arrays[path] - 1)
        path = (*path, names[-1])
        if is_array:
            self._arrays[path] += 1
            path = (*path, self._arrays[path] - 1)
        self._table = path
        return path

    def _key(self, end: str) -> list[str]:
        """Read a key, dotted or quoted, and the character after it."""
        names = [""]
        while not self._text.startswith(end, self._at):
            start = self._at
            if self._text[start] in "\"'":
                self._skip_string()
                names[-1] = self._text[start + 1 : self._at - 1]
                continue
            if self._text[start] == ".":
                names.append("")
            elif not self._text[start].isspace():
                names[-1] += self._text[start]
            self._at += 1
        self._at += len(end)
        return names

    def _skip_value(self) -> None:
        """Skip a value: to the end of its line, outside of brackets and strings."""
        depth = 0
        while self._at < len(self._text):
            character = self._text[self._at]
            if character in "\"'":
                self._skip_string()
                continue
            if character == "#":
                self._skip_comment()
                continue
            if character == "\n" and depth == 0:
                return
            depth += (character in "[{") - (character in "]}")
            self._at += 1

    def _skip_string(self) -> None:
        quote = next(one for one in _QUOTES if self._text.startswith(one, self._at))
        self._at += len(quote)
        while self._at < len(self._text) and not self._text.startswith(quote, self._at):
            escaped = self._text[self._at] == "\\" and quote[0] == '"'
            self._at += 2 if escaped else 1
        self._at += len(quote)
        # up to two quotes may stand before the closing ones of a string of several lines
        while len(quote) == 3 and self._text.startswith(quote[0], self._at):
            self._at += 1

    def _skip_comment(self) -> None:
        end = self._text.find("\n", self._at)
        self._at = len(self._text) if end < 0 else end

    def _skip_blank(self) -> bool:
        """Skip white space and comments; return whether a statement follows."""
        while self._at < len(self._text):
            if self._text[self._at] == "#":
                self._skip_comment()
            elif self._text[self._at].isspace():
                self._at += 1
            else:
                return True
        return False
