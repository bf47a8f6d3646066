"""Small drawings of data as SVG: axes, lines, bars, a field of colours. No dependencies."""

from collections.abc import Callable, Sequence
from html import escape

INK, SOFT, GRID = "#24292f", "#57606a", "#d8dee4"
Point = tuple[float, float]


class Panel:
    """One drawing with its axes; data coordinates run from 0 to ``x_most`` and ``y_most``."""

    def __init__(
        self, at: Point, size: Point, title: str, x_most: float, y_most: float = 1.0
    ) -> None:
        self.x0, self.y0 = at
        self.width, self.height = size
        self.x_most, self.y_most = x_most, y_most
        self.parts: list[str] = []
        self.text(self.x0, self.y0 - 16, title, size=15, weight=600)

    def place(self, x: float, y: float) -> Point:
        """Turn data into places on the page."""
        return (
            self.x0 + self.width * x / self.x_most,
            self.y0 + self.height * (1 - y / self.y_most),
        )

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: int = 12,
        anchor: str = "start",
        fill: str = INK,
        weight: int = 400,
        turn: bool = False,
    ) -> None:
        """Write at a place on the page."""
        turned = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turn else ""
        self.parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
            f'fill="{fill}" font-weight="{weight}"{turned}>{escape(words)}</text>'
        )

    def axes(
        self,
        x_ticks: Sequence[float],
        y_ticks: Sequence[float],
        x_name: str,
        y_name: str,
        x_words: Callable[[float], str] = "{:g}".format,
        y_words: Callable[[float], str] = "{:.0%}".format,
    ) -> None:
        """Draw the ticks of both axes and their names."""
        for tick in y_ticks:
            (x, y), (end, _) = self.place(0, tick), self.place(self.x_most, tick)
            self.parts.append(_stroke([(x, y), (end, y)], GRID, 1))
            self.text(x - 8, y + 4, y_words(tick), anchor="end", fill=SOFT)
        for tick in x_ticks:
            x, y = self.place(tick, 0)
            self.parts.append(_stroke([(x, y), (x, y + 4)], SOFT, 1))
            self.text(x, y + 18, x_words(tick), anchor="middle", fill=SOFT)
        middle = self.x0 + self.width / 2
        self.text(middle, self.y0 + self.height + 38, x_name, anchor="middle", fill=SOFT)
        self.text(
            self.x0 - 46, self.y0 + self.height / 2, y_name, anchor="middle", fill=SOFT, turn=True
        )

    def line(self, points: Sequence[Point], colour: str, *, dashed: bool = False) -> None:
        """Draw a line through data."""
        self.parts.append(_stroke([self.place(*p) for p in points], colour, 2.2, dashed=dashed))

    def dot(self, at: Point, colour: str = INK) -> None:
        """Mark one place in the data."""
        x, y = self.place(*at)
        self.parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}" stroke="#fff"/>'
        )

    def label(
        self, at: Point, words: str, colour: str = INK, anchor: str = "start", up: float = 0
    ) -> None:
        """Write beside a place in the data."""
        x, y = self.place(*at)
        self.text(x, y - up, words, anchor=anchor, fill=colour, weight=600)

    def box(self, low: Point, high: Point, colour: str) -> None:
        """Fill a rectangle of the data."""
        (x, bottom), (end, top) = self.place(*low), self.place(*high)
        self.parts.append(
            f'<rect x="{x:.2f}" y="{top:.2f}" width="{end - x + 0.4:.2f}" '
            f'height="{bottom - top + 0.4:.2f}" fill="{colour}"/>'
        )


def page(panels: Sequence[Panel], width: int, height: int, title: str) -> str:
    """Put panels on one page."""
    body = "\n".join(part for panel in panels for part in panel.parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        f'font-family="system-ui, sans-serif" role="img" aria-label="{escape(title)}">\n'
        f'<rect width="{width}" height="{height}" fill="#fff"/>\n{body}\n</svg>\n'
    )


def shade(share: float) -> str:
    """Colour a share of 0..1 from white to blue."""
    share = min(max(share, 0.0), 1.0)
    parts = (round(255 + (end - 255) * share) for end in (9, 105, 218))
    return "#" + "".join(f"{part:02x}" for part in parts)


def _stroke(points: Sequence[Point], colour: str, width: float, *, dashed: bool = False) -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    dash = ' stroke-dasharray="6 5"' if dashed else ""
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"{dash}/>'
