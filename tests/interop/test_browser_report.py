"""The HTML report in a browser: no network, light and dark, a phone, a keyboard, axe-core."""

import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from sfukit.loadgen.latency import html as latency_html
from sfukit.loadgen.reports import html
from tests.interop import npm_packages
from tests.interop.browser import Browser, Page, chromium
from tests.latency_reports import a_report, independent, whole
from tests.unit.loadgen.reports.runs import (
    HOSTILE,
    changed,
    gate,
    hostile,
    large,
    passed,
    relayed,
    saturated,
)

pytestmark = pytest.mark.realtime

PHONE = {"width": 360, "height": 740, "deviceScaleFactor": 2, "mobile": True}
DESKTOP = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}
VIOLATIONS = """async () => (await axe.run()).violations.map((one) =>
    `${one.id}: ${one.nodes.map((node) => node.html).slice(0, 3).join(" ")}`)"""
DRAW_ALL = """() => new Promise((drawn) => {
    dispatchEvent(new Event("beforeprint"));
    requestAnimationFrame(() => requestAnimationFrame(drawn));
})"""
OPEN_TABLES = "() => document.querySelectorAll('details').forEach((one) => one.open = true)"
OVERFLOW = "() => document.documentElement.scrollWidth - innerWidth"

REPORTS = {
    "passed": large(60, 120),
    "failed": changed(passed(), verdict="fail", gates=[gate(False)], reasons=["it is 6 ms"]),
    "inconclusive": changed(
        passed(), verdict="inconclusive", saturation=saturated(), gates=[gate(None)]
    ),
    "relayed": relayed(),
    "hostile": hostile(),
}
PAGES = {name: html.page(report) for name, report in REPORTS.items()} | {
    "latency": latency_html.page(whole()),
    "hostile latency": latency_html.page(
        a_report(
            reasons=[HOSTILE],
            unknown={HOSTILE: HOSTILE},
            independent=independent(reasons=[HOSTILE]),
        )
    ),
}


@pytest.fixture(scope="module")
def axe() -> str:
    return npm_packages.read("axe-core@4.14.1", "axe.min.js")


@pytest.fixture
async def offline(chromium_program: str) -> AsyncIterator[Browser]:
    # no name resolves and no proxy answers: a request of the page would fail and be reported
    flags = ("--host-resolver-rules=MAP * ~NOTFOUND", "--proxy-server=127.0.0.1:9")
    async with chromium(chromium_program, *flags) as running:
        yield running


async def opened(
    browser: Browser, folder: Path, content: str, size: dict[str, Any], scheme: str
) -> Page:
    path = folder / "report.html"
    path.write_text(content)
    page = await browser.page("about:blank")
    await page.call("Network.enable")
    await page.call("Log.enable")
    scheme_feature = [{"name": "prefers-color-scheme", "value": scheme}]
    await page.call("Emulation.setEmulatedMedia", features=scheme_feature)
    await page.call("Emulation.setDeviceMetricsOverride", **size)
    await page.open(path.as_uri())
    await page.run(DRAW_ALL)
    return page


@pytest.mark.parametrize("name", PAGES)
async def test_a_report_is_accessible_and_fits(
    offline: Browser, axe: str, tmp_path: Path, name: str
) -> None:
    for size, scheme in itertools.product((PHONE, DESKTOP), ("light", "dark")):
        page = await opened(offline, tmp_path, PAGES[name], size, scheme)
        assert await page.run(OVERFLOW) <= 0
        assert page.console == []
        assert set(page.requests) <= {(tmp_path / "report.html").as_uri(), "data:,"}
        await page.include(axe)
        assert await page.run(VIOLATIONS) == [], (size, scheme)
        await page.run(OPEN_TABLES)
        assert await page.run(OVERFLOW) <= 0, "with all tables open"
        await page.close()


@pytest.mark.parametrize("name", ["failed", "latency"])
async def test_open_tables_are_accessible(
    offline: Browser, axe: str, tmp_path: Path, name: str
) -> None:
    page = await opened(offline, tmp_path, PAGES[name], PHONE, "light")
    await page.run(OPEN_TABLES)
    await page.include(axe)
    assert await page.run(VIOLATIONS) == []


@pytest.mark.parametrize("name", ["passed", "latency"])
async def test_every_plot_is_drawn_and_has_a_table(
    offline: Browser, tmp_path: Path, name: str
) -> None:
    page = await opened(offline, tmp_path, PAGES[name], DESKTOP, "light")
    plots = await page.run(
        """() => [...document.querySelectorAll("figure.plot")].map((plot) => [
            plot.querySelectorAll("canvas").length, plot.querySelectorAll("tbody tr").length,
            plot.querySelector("figcaption p").textContent.length > 20,
        ])"""
    )
    assert len(plots) == 6
    assert all(canvases == 1 and 50 <= rows <= 60 and said for canvases, rows, said in plots)


async def test_the_heat_map_works_by_keyboard(offline: Browser, tmp_path: Path) -> None:
    page = await opened(offline, tmp_path, PAGES["passed"], DESKTOP, "light")
    focused = "document.activeElement.getAttribute('aria-label')"
    await page.run("() => document.querySelector('.cell[tabindex=\"0\"]').focus()")
    assert (await page.run(f"() => {focused}")).startswith("room-1 p1: frame delay p95 ")
    for key, expected in (
        ("ArrowRight", "room-1 p2"),
        ("ArrowDown", "room-2 p2"),
        ("ArrowLeft", "room-2 p1"),
        ("ArrowUp", "room-1 p1"),
        ("End", "room-12 p5"),
        ("Home", "room-1 p1"),
    ):
        await page.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key)
        assert (await page.run(f"() => {focused}")).startswith(f"{expected}: "), key
    shown = await page.run("() => document.querySelector('.read').textContent")
    assert shown == await page.run(f"() => {focused}")
    assert await page.run("() => document.querySelectorAll('.cell[tabindex=\"0\"]').length") == 1
    failed = await page.run("() => document.querySelectorAll('.rooms .cell.failed').length")
    assert failed == 1


async def test_hostile_text_runs_no_script(offline: Browser, tmp_path: Path) -> None:
    page = await opened(offline, tmp_path, PAGES["hostile"], DESKTOP, "light")
    names = await page.run("() => [...document.querySelectorAll('main *')].map((e) => e.localName)")
    assert not {"b", "iframe", "img"} & set(names)
    # the policy refuses a script that is not of the report
    ran = await page.run(
        """() => {
            const script = document.createElement("script");
            script.textContent = "window.ran = true";
            document.body.append(script);
            return Boolean(window.ran);
        }"""
    )
    assert ran is False
