"""The frame of a page: one file, no network access, light and dark."""

from collections.abc import Sequence
from importlib import resources
from typing import NamedTuple

from sfukit.htmlreport.elements import State, text
from sfukit.htmlreport.embed import source_hash

_STYLES = ("uPlot.min.css", "report.css")
_SCRIPTS = ("uPlot.iife.min.js", "format.js", "plots.js", "heat_map.js")


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
    scripts = [_asset(name) for name in _SCRIPTS]
    allowed = " ".join(map(source_hash, scripts))
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
        *(f"<style>{_asset(name)}</style>" for name in _STYLES),
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


def _asset(name: str) -> str:
    return (resources.files(__package__) / "assets" / name).read_text(encoding="utf-8").strip()
