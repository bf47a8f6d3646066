"""Data inside a page: hostile text neither ends its script nor becomes markup."""

import html
import json
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfukit.htmlreport import elements, embed, heat_map, page, plots

HOSTILE = "</script><script>alert(1)</script><!--<script>\u2028 & ' \" \u202e \x1b[2J"


class Elements(HTMLParser):
    """The elements of a page, and the contents of its scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.scripts: list[str] = []
        self._in_script = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self._in_script = tag == "script"
        if self._in_script:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.scripts[-1] += data


def parsed(text: str) -> Elements:
    found = Elements()
    found.feed(text)
    return found


@given(st.text())
def test_a_data_block_holds_any_text(text: str) -> None:
    block = embed.json_script({"text": text + HOSTILE})
    found = parsed(block)
    assert found.names == ["script"]
    read = json.loads(found.scripts[0])["text"]
    assert read.encode(errors="replace") == (text + HOSTILE).encode(errors="replace")


def test_numbers_keep_five_digits_and_what_is_no_number_is_null() -> None:
    block = embed.json_script([1 / 3, 1234567.0, 600, float("nan"), None])
    assert parsed(block).scripts == ["[0.33333,1234600.0,600,null,null]"]


@pytest.mark.parametrize("piece", ["text", "badge", "table", "tiles", "facts", "details", "listed"])
def test_texts_are_escaped(piece: str) -> None:
    made = {
        "text": elements.text(HOSTILE),
        "badge": elements.badge(HOSTILE, "bad"),
        "table": elements.table(HOSTILE, [HOSTILE], []),
        "tiles": elements.tiles([elements.Tile(HOSTILE, HOSTILE, HOSTILE)]),
        "facts": elements.facts([(HOSTILE, HOSTILE)]),
        "details": elements.details(HOSTILE, ""),
        "listed": elements.listed([HOSTILE]),
    }[piece]
    assert "script" not in parsed(made).names
    assert "\\u202e" in made and "\\x1b" in made


def test_a_page_of_hostile_text_has_only_its_own_scripts() -> None:
    plot = plots.Plot(
        title=HOSTILE,
        unit=HOSTILE,
        times_s=[1.0],
        curves=[plots.Curve(HOSTILE, [1.0])],
        spans=[plots.Span(HOSTILE, 0, 1)],
        bounds=[plots.Bound(HOSTILE, 1)],
    )
    row = heat_map.Row(HOSTILE, [heat_map.Cell(HOSTILE, [1.0], HOSTILE)])
    measure = heat_map.Measure(HOSTILE, "ms", 0, 1)
    sections = [
        page.Section(HOSTILE, plots.figure(plot)),
        page.Section("map", heat_map.heat_map(HOSTILE, [measure], [row])),
    ]
    made = page.page(HOSTILE, HOSTILE, sections, page.Banner(HOSTILE, "ok", HOSTILE, [HOSTILE]))
    found = parsed(made)
    assert found.names.count("script") == 2 + 4
    policy = re.search(r"Content-Security-Policy content=\"([^\"]*)\"", made)
    assert policy is not None
    allowed = re.findall(r"'sha256-[^']+'", html.unescape(policy[1]))
    scripts = [script for script in found.scripts if not script.startswith("{")]
    assert allowed == [embed.source_hash(script) for script in scripts]
    assert "default-src 'none'" in policy[1] and "unsafe-eval" not in policy[1]


def test_a_page_names_no_other_resource() -> None:
    made = page.page("t", "s", [page.Section("a", "<p>x</p>")], None)
    without_comments = re.sub(r"/\*.*?\*/", "", made, flags=re.DOTALL)
    assert not re.search(r"https?://", without_comments)
    assert not re.search(r"<(?:link|img|script|iframe)[^>]*(?:src|href)=(?!'data:,')", made)
