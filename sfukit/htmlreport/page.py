"""The frame of a page: one file, no network access, light and dark."""

import itertools
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import NamedTuple

from sfukit.htmlreport.elements import State, text
from sfukit.htmlreport.embed import source_hash

# What draws parts of a page, by the HTML that such a part begins with.
_PLOTS, _HEAT_MAP = "<figure class=plot>", "<div class=heat "
_DRAWN_BY = {
    _PLOTS: ("uPlot.iife.min.js", "format.js", "plots.js"),
    _HEAT_MAP: ("format.js", "heat_map.js"),
}


class Section(NamedTuple):
    """One part of a page: its heading, and its HTML."""

    title: str
    content: str


class Banner(NamedTuple):
    """What a page begins with: a word, its state, a sentence, and the lines below it."""

    word: str
    state: State
    sentence: str
    lines: Sequence[str] = ()


def page(title: str, subtitle: str, sections: Sequence[Section], banner: Banner | None) -> str:
    """Return the whole page; sections without content are left out."""
    shown = [section for section in sections if section.content]
    contents = "".join(section.content for section in shown)
    scripts = [_asset(name) for name in _scripts(contents)]
    allowed = " ".join(map(source_hash, scripts)) or "'none'"
    styles = ["uPlot.min.css"] * (_PLOTS in contents) + ["report.css"]
    policy = (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    links = "".join(f'<a href="#s{at}">{text(one.title)}</a>' for at, one in enumerate(shown))
    parts = [
        "<!doctype html>",
        "<html lang=en>",
        "<meta charset=utf-8>",
        f'<meta http-equiv=Content-Security-Policy content="{policy}">',
        "<meta name=viewport content='width=device-width, initial-scale=1'>",
        "<meta name=color-scheme content='light dark'>",
        "<link rel=icon href='data:,'>",
        f"<title>{text(title)}</title>",
        *(f"<style>{_asset(name)}</style>" for name in styles),
        "<a class=skip href='#main'>Skip to the report</a>",
        f"<header><h1>{text(title)}</h1><p>{text(subtitle)}</p></header>",
        f"<nav aria-label=Sections>{links}</nav>" if len(shown) > 1 else "",
        "<main id=main>",
        _banner(banner) if banner else "",
        *(_section(at, section) for at, section in enumerate(shown)),
        "</main>",
        "<footer>One file, without network access. Made by sfukit.</footer>",
        *(f"<script>{script}</script>" for script in scripts),
    ]
    return "\n".join(filter(None, parts)) + "\n"


def _banner(banner: Banner) -> str:
    lines = "".join(f"<li>{text(line)}</li>" for line in banner.lines)
    return (
        f'<section class="banner {banner.state}" aria-label=Verdict>'
        f"<p class=word>{text(banner.word)}</p><p class=sentence>{text(banner.sentence)}</p>"
        f"{f'<ul>{lines}</ul>' if lines else ''}</section>"
    )


def _section(at: int, section: Section) -> str:
    heading = f"<h2 id=h{at}>{text(section.title)}</h2>"
    return f'<section id="s{at}" aria-labelledby=h{at}>{heading}{section.content}</section>'


def _scripts(contents: str) -> Iterable[str]:
    """Return the scripts that draw the contents, each once."""
    needed = (names for start, names in _DRAWN_BY.items() if start in contents)
    return dict.fromkeys(itertools.chain.from_iterable(needed))


def _asset(name: str) -> str:
    return (resources.files(__package__) / "assets" / name).read_text(encoding="utf-8").strip()
