"""Write the tables and the chart of docs/nat-study.md: ``python tools/nat_study.py``."""

import itertools
import math
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import svg

from sfukit.probe.natlab import keepalive, predictors, study
from sfukit.probe.natlab.cell import Total

DOCS = Path(__file__).resolve().parents[1] / "docs"
RUNS, SEED = 10_000, 1
LIFETIMES_S = (20, 30, 45, 60, 90, 120, 150, 180, 300)
RATES = (0, 1, 2, 5, 10, 20)
OTHERS = (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
BLUE, RED, GREEN, ORANGE, GREY = "#0969da", "#cf222e", "#1a7f37", "#bc4c00", "#8c959f"


def main() -> None:
    path = DOCS / "nat-study.md"
    path.write_text(filled(path.read_text()))
    (DOCS / "images" / "nat-study.svg").write_text(chart())


def filled(text: str) -> str:
    """Put each table between its markers."""
    for name, lines in tables():
        begin, end = f"<!-- {name} -->\n", "<!-- end -->"
        head, _, rest = text.partition(begin)
        if not rest:
            raise SystemExit(f"docs/nat-study.md has no marker {begin.strip()}")
        text = head + begin + "\n".join(lines) + "\n" + end + rest.partition(end)[2]
    return text


def tables() -> Iterator[tuple[str, Iterable[str]]]:
    yield "claims", claims()
    yield "mixes", mixes()
    yield "weights", weights()
    yield "fitted", fitted()
    yield "decay", decay()
    yield "predictors", estimators()
    yield "keepalive", kept()
    yield "incident", incident()


def claims() -> Iterator[str]:
    yield from header("measure", "before", "after")
    for name, pair in (("success", study.SUCCESS), ("with a symmetric NAT", study.SYMMETRIC)):
        shown = (f"{percent(s)} ({span(*study.claimed_interval(s))})" for s in pair)
        yield row(f"{name} (95 % of {study.DEVICES} devices)", *shown)
    yield row("first connection", *(f"{seconds:.2f} s" for seconds in study.CONNECT_S))
    yield row("through a relay", *map(percent, study.RELAYED))


def mixes() -> Iterator[str]:
    yield from header(
        *(
            "mix",
            "strategy",
            f"direct (95 % of {study.DEVICES})",
            "with a symmetric NAT",
            "connected",
        ),
        *("relayed", "time to connect"),
    )
    for name, shares in study.MIXES.items():
        measured = study.measure(study.mix_of(shares, study.BUSY), study.COMPARED, RUNS, SEED)
        for number, total in enumerate(measured):
            yield total_row(name if number == 0 else "", total)


def weights() -> Iterator[str]:
    yield from header("mix", "hosts")
    for name, shares in study.MIXES.items():
        whole = sum(shares.values())
        yield row(
            name, ", ".join(f"{kind} {percent(part / whole)}" for kind, part in shares.items())
        )


def fitted() -> Iterator[str]:
    yield from header(
        *("made to meet", "full cone", "symmetric", "of these sequential", "direct before"),
        *("direct after", "symmetric before", "symmetric after"),
    )
    for target in ("success", "symmetric"):
        found = study.fit(target, RUNS, SEED)
        before, after = found.totals[0], found.totals[2]
        wanted = study.SUCCESS if target == "success" else study.SYMMETRIC
        shares = (found.easy, found.symmetric, found.sequential, before.direct, after.direct)
        symmetric = (before.symmetric_direct, after.symmetric_direct)
        yield row(f"{target} {percent(wanted[1])}", *map(percent, (*shares, *symmetric)))


def decay() -> Iterator[str]:
    yield from header("mappings/s by others", "port-restricted x sequential", "both sequential")
    for each in study.decay(RATES, RUNS, SEED):
        cells = (each.easy_side, each.both_sides)
        shown = (f"{percent(c.direct)} ({span(c.direct_low, c.direct_high)})" for c in cells)
        yield row(f"{each.cross_traffic_per_s:g}", *shown)


def estimators() -> Iterator[str]:
    names = list(predictors.ESTIMATORS)
    yield from header("ports", *names, "the best that is possible", "least delta, within 16")
    for allocator in predictors.ALLOCATORS:
        scores = predictors.score(allocator, RUNS, SEED)
        within = scores[names.index("least delta")].within_16
        shown = (percent(scored.exact) for scored in scores)
        yield row(allocator, *shown, percent(scores[0].best), percent(within))


def kept() -> Iterator[str]:
    policies = list(keepalive.POLICIES)
    columns = [f"{policy}: {figure}" for policy in policies for figure in ("reachable", "unbroken")]
    yield from header("lifetime", *columns)
    for lifetime_s in LIFETIMES_S:
        row_of = [keepalive.simulate(policy, lifetime_s, 1000, SEED) for policy in policies]
        yield row(
            f"{lifetime_s} s", *(percent(v) for k in row_of for v in (k.reachable, k.unbroken))
        )
    packets = (f"{k.packets_per_hour:.0f}" for k in row_of)
    yield row("packets/hour", *(cell for count in packets for cell in (count, "")))


def incident() -> Iterator[str]:
    yield from header("keepalive", "lifetime", "forgotten mappings", "direct (95 %)")
    for policy in list(keepalive.POLICIES)[:2]:
        for lifetime_s in (30, 49, 60, 92, 120):
            stale = 1 - keepalive.simulate(policy, lifetime_s, 1000, SEED).reachable
            cell = study.stale_mappings(max(stale, 0.0), RUNS, SEED)
            bounds = span(cell.direct_low, cell.direct_high)
            direct = f"{percent(cell.direct)} ({bounds})"
            yield row(policy, f"{lifetime_s} s", percent(round(max(stale, 0.0), 6)), direct)


def total_row(name: str, total: Total) -> str:
    return row(
        name,
        f"`{total.strategy}`",
        f"{percent(total.direct)} ({span(*study.claimed_interval(total.direct))})",
        percent(total.symmetric_direct),
        percent(total.connected),
        percent(total.relay_share),
        "-" if total.time_ms_avg is None else f"{total.time_ms_avg / 1000:.2f} s",
    )


def header(*names: str) -> Iterator[str]:
    yield row(*names)
    yield "|" + "---|" * len(names)


def row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def percent(share: float | None) -> str:
    if share is None:
        return "-"
    if 0 < share < 0.001:
        return "<0.1 %"
    whole = math.isclose(share, 1) or share == 0
    return f"{share * 100:.0f} %" if whole else f"{share * 100:.1f} %"


def span(low: float, high: float) -> str:
    return f"{low * 100:.1f} to {high * 100:.1f}"


def chart() -> str:
    """Draw the four panels."""
    panels = [gains(), bars(), accuracy(), reachability()]
    return svg.page(panels, 1120, 900, "What port prediction and keepalive are worth")


def gains() -> svg.Panel:
    steps = 25
    panel = svg.Panel((80, 60), (400, 310), "Points gained over plain punching, quiet NATs", 1.0)
    points = study.landscape(steps, 500, SEED)
    half = 0.5 / steps
    gained = {(p.symmetric, p.sequential): p.after - p.before for p in points}
    for (x, y), gain in gained.items():
        low, high = (max(x - half, 0), max(y - half, 0)), (min(x + half, 1), min(y + half, 1))
        panel.box(low, high, svg.shade(gain))
    panel.axes(
        *((0, 0.25, 0.5, 0.75, 1), (0, 0.25, 0.5, 0.75, 1)),
        *("hosts behind a symmetric NAT", "of these, ports in a row", "{:.0%}".format),
    )
    claim = study.SUCCESS[1] - study.SUCCESS[0]
    panel.line(list(contour(gained, steps, claim)), svg.INK, dashed=True)
    panel.label((0.45, 0.50), f"+{claim * 100:.1f} points, as claimed")
    for share in (0.15, 0.3, 0.6, 0.8):
        x, y = 0.86, share
        panel.label(
            (x, y), f"+{nearest(gained, x, y) * 100:.0f}", "#fff" if share > 0.5 else svg.INK
        )
    return panel


def contour(
    gained: dict[tuple[float, float], float], steps: int, level: float
) -> Iterator[svg.Point]:
    """Return, for each share of symmetric NATs, the sequential part with that gain."""
    for i in range(steps + 1):
        column = [gained[i / steps, j / steps] for j in range(steps + 1)]
        for j, (low, high) in enumerate(itertools.pairwise(column)):
            if low < level <= high:
                yield i / steps, (j + (level - low) / (high - low)) / steps
                break


def nearest(gained: dict[tuple[float, float], float], x: float, y: float) -> float:
    return min(gained.items(), key=lambda item: (item[0][0] - x) ** 2 + (item[0][1] - y) ** 2)[1]


def bars() -> svg.Panel:
    panel = svg.Panel((650, 60), (400, 310), "Connected without a relay, by mix", 6.0)
    panel.axes((), (0, 0.25, 0.5, 0.75, 1), "", "of all pairs")
    groups = [("claimed", *study.SUCCESS)]
    for name, shares in study.MIXES.items():
        totals = study.measure(study.mix_of(shares, study.BUSY), study.COMPARED, RUNS, SEED)
        groups.append((name, totals[0].direct, totals[2].direct))
    for number, (name, before, after) in enumerate(groups):
        colours = (GREY, svg.INK) if number == 0 else (ORANGE, BLUE)
        for offset, height, colour in ((0.16, before, colours[0]), (0.52, after, colours[1])):
            panel.box((number + offset, 0), (number + offset + 0.32, height), colour)
            x, y = panel.place(number + offset + 0.16, height)
            panel.text(x, y - 4, f"{height * 100:.0f}", size=11, anchor="middle")
        x, y = panel.place(number + 0.5, 0)
        panel.text(x, y + 18, name, anchor="middle", fill=svg.SOFT, size=11)
    x, y = panel.place(3, 0)
    panel.text(x - 8, y + 38, "plain punching", anchor="end", fill=ORANGE, weight=600)
    panel.text(x + 8, y + 38, "the articles' stack", fill=BLUE, weight=600)
    return panel


def accuracy() -> svg.Panel:
    panel = svg.Panel((80, 500), (400, 310), "Next port foreseen, ports in a row", OTHERS[-1])
    panel.axes(
        (0, 1, 2, 3), (0, 0.25, 0.5, 0.75, 1), "ports others take between two of ours", "exact"
    )
    scores = {others: predictors.score_sequential(others, RUNS, SEED) for others in OTHERS}
    colours = {"last delta": ORANGE, "median delta": GREEN, "least delta": BLUE, "linear fit": RED}
    for number, (name, colour) in enumerate(colours.items()):
        column = [
            (x, next(s.exact for s in all_ if s.estimator == name)) for x, all_ in scores.items()
        ]
        panel.line(column, colour)
        panel.label((1.9, 0.94 - 0.07 * number), name, colour)
    panel.line([(x, all_[0].best) for x, all_ in scores.items()], svg.INK, dashed=True)
    panel.label((1.9, 0.94 - 0.07 * 4), "upper bound")
    panel.line([(0, study.ACCURACY), (1.8, study.ACCURACY)], GREY)
    panel.label((0.62, study.ACCURACY), f"claimed, {study.ACCURACY:.1%}", GREY, up=6)
    return panel


def reachability() -> svg.Panel:
    panel = svg.Panel((650, 500), (400, 310), "Reachable while waiting for a call", 300.0)
    panel.axes(
        *((0, 30, 60, 120, 180, 300), (0, 0.25, 0.5, 0.75, 1)),
        *("seconds until the NAT forgets", "of the time", "{:g} s".format),
    )
    for policy, colour in (("backoff, 5 to 120 s", ORANGE), ("capped, min(25 s, half)", BLUE)):
        column: Sequence[svg.Point] = [
            (s, keepalive.simulate(policy, s, 500, SEED).reachable) for s in range(10, 301, 10)
        ]
        panel.line(column, colour)
    panel.label((95, 0.62), "backoff, 5 to 120 s", ORANGE)
    panel.label((300, 1), "capped at 25 s and half the lifetime", BLUE, anchor="end", up=-18)
    return panel


if __name__ == "__main__":
    main()
