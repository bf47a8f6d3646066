"""Pieces of HTML. What they return is HTML; what they are given as text is escaped."""

import html
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

from sfukit.control_characters import escaped

State = Literal["ok", "bad", "warn", "none"]


class Tile(NamedTuple):
    """One figure in large type: its name, its value, and an explanation below."""

    name: str
    value: str
    note: str = ""
    state: State = "none"


def text(value: object) -> str:
    """Return a text as HTML; control characters and marks of direction become visible."""
    return html.escape(escaped(str(value)))


def badge(word: str, state: State) -> str:
    """Return a word on a coloured ground."""
    return f'<span class="badge {state}">{text(word)}</span>'


def tiles(parts: Iterable[Tile]) -> str:
    """Return figures in a row that wraps."""
    return f'<dl class="tiles">{"".join(map(_tile, parts))}</dl>'


def _tile(tile: Tile) -> str:
    note = f"<dd class=note>{text(tile.note)}</dd>" if tile.note else ""
    return (
        f'<div class="tile {tile.state}"><dt>{text(tile.name)}</dt>'
        f"<dd>{text(tile.value)}</dd>{note}</div>"
    )


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """Return names with their texts."""
    rows = "".join(
        f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in pairs
    )
    return f"<dl class=facts>{rows}</dl>"


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of HTML cells; the first of a row is its heading. Wide ones scroll."""
    titles = "".join(f"<th scope=col>{text(title)}</th>" for title in head)
    body = "".join(
        f"<tr><th scope=row>{first}</th>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        for first, *cells in rows
    )
    return (
        f'<div class=scroll tabindex=0 role=group aria-label="{text(caption)}">'
        f"<table><caption>{text(caption)}</caption>"
        f"<thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def details(summary: str, content: str, *, opened: bool = False) -> str:
    """Return content that opens on request."""
    return f"<details{' open' * opened}><summary>{text(summary)}</summary>{content}</details>"


def listed(lines: Iterable[str]) -> str:
    """Return texts as a list; without any, nothing."""
    parts = "".join(f"<li>{text(line)}</li>" for line in lines)
    return f"<ul>{parts}</ul>" if parts else ""
