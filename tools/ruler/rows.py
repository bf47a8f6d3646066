"""The rows of the table: expected and reported figures of each case. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from sfukit.loadgen.latency.options import Engine
from sfukit.loadgen.result.report import Metric
from tools.ruler import recording
from tools.ruler.cases import BOUNDS
from tools.ruler.measure import Measured
from tools.ruler.recording import Datagram, Window

_PERCENT = 100.0
_KILO = 1000.0


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison; ``met`` is None where a side is unknown.

    Rows of aiortc show whether another implementation agrees, and are not judged.
    """

    injected: str
    figure: str
    by: str
    expected: float | None
    reported: float | None
    error: float | None
    bound: float
    bound_is_relative: bool
    unit: str
    met: bool | None
    judged: bool
    note: str = ""


def rows(clean: Measured, cases: Sequence[Measured]) -> Iterator[Row]:
    """Compare every figure of every case, by both engines where both measured."""
    for measured in (clean, *cases):
        for figure in measured.case.figures:
            for engine in _engines(measured):
                if (figure, engine) in _COMPARE:
                    yield _row(figure, engine, clean, measured)


def row(
    injected: str,
    figure: str,
    by: str,
    expected: float | None,
    reported: float | None,
    *,
    judged: bool = True,
    note: str = "",
) -> Row:
    """Return the comparison of two values, by the bound of the figure."""
    bound = BOUNDS[figure]
    known = expected is not None and reported is not None
    return Row(
        injected=injected,
        figure=figure,
        by=by,
        expected=expected,
        reported=reported,
        error=reported - expected if expected is not None and reported is not None else None,
        bound=bound.error,
        bound_is_relative=bound.relative,
        unit=bound.unit,
        met=bound.met(expected or 0.0, reported or 0.0) if known else None,
        judged=judged,
        note=note,
    )


def _engines(measured: Measured) -> list[Engine]:
    return ["native", "aiortc"] if measured.aiortc.samples else ["native"]


def _row(figure: str, engine: Engine, clean: Measured, measured: Measured) -> Row:
    expected: float | None
    reported: float | None
    of = _View(measured, engine)
    try:
        expected, reported = _COMPARE[figure, engine](_View(clean, engine), of)
    except (IndexError, KeyError, ValueError, ZeroDivisionError):  # no media, no report
        expected = reported = None
    return row(
        measured.case.injected,
        figure,
        engine,
        expected,
        reported,
        judged=engine == "native",
        note=_note(measured, engine),
    )


def _note(measured: Measured, engine: Engine) -> str:
    """Return why an engine's figures are missing or not valid."""
    independent = measured.report.independent
    if engine == "aiortc":
        return "; ".join(independent.reasons) if independent is not None else ""
    generator = measured.report.generator
    return "; ".join([*measured.report.reasons, *(generator.saturated if generator else [])])


class _View:
    """One engine's figures of a case, and the record of its sessions."""

    def __init__(self, measured: Measured, engine: Engine) -> None:
        self._measured = measured
        self._engine: Engine = engine
        self._observed = measured.native if engine == "native" else measured.aiortc

    @property
    def window(self) -> Window:
        """The window of the engine; raises IndexError where it has not measured."""
        return self._observed.window

    def datagrams(self, role: str, direction: str) -> list[Datagram]:
        """Return what passed the relay in one direction."""
        found: list[Datagram] = getattr(self._measured.session(self._engine, role), direction)
        return found

    @property
    def packets(self) -> list[Datagram]:
        """The media packets to the subscriber."""
        return recording.media(self.datagrams("subscriber", "down"))

    def reports_ms(self, role: str) -> float:
        """Return how long the relay held RTCP reports, in both directions together."""
        both = (self.datagrams(role, way) for way in ("up", "down"))
        return sum(recording.reports_held_ms(one, self.window) for one in both)

    def metric(self, name: str) -> Metric:
        """Return a metric as this engine reports it."""
        if self._engine == "native":
            return self._measured.report.metrics[name]
        independent = self._measured.report.independent
        assert independent is not None
        [metric] = [one.independent for one in independent.compared if one.metric == name]
        return metric

    def median(self, name: str) -> float:
        """Return the median of a metric."""
        return _known(self.metric(name).p50)

    def mean(self, name: str) -> float:
        """Return the mean of a metric."""
        return _known(self.metric(name).avg)


def _known(value: float | None) -> float:
    if value is None:
        raise ValueError("not measured")
    return value


Pair = tuple[float, float]


def _loss(_clean: _View, of: _View) -> Pair:
    return recording.loss(of.packets, of.window) * _PERCENT, of.mean("loss_raw") * _PERCENT


def _bitrate(_clean: _View, of: _View) -> Pair:
    passed_bps = recording.bitrate_bps(of.datagrams("subscriber", "down"), of.window)
    return passed_bps / _KILO, of.mean("bitrate_in") / _KILO


def _jitter(_clean: _View, of: _View) -> Pair:
    return recording.jitter_ms(of.packets, of.window), of.mean("jitter_ms")


def _jitter_by_frame(_clean: _View, of: _View) -> Pair:
    return recording.jitter_by_frame_ms(of.packets, of.window), of.mean("jitter_ms")


def _frame_delay(_clean: _View, of: _View) -> Pair:
    sent = recording.media(of.datagrams("publisher", "up"))
    return recording.frame_delay_ms(sent, of.packets, of.window), of.median("e2e_frame_ms")


def _rtt(role: str, name: str) -> Callable[[_View, _View], Pair]:
    def compare(clean: _View, of: _View) -> Pair:
        held_ms = of.reports_ms(role) - clean.reports_ms(role)
        return clean.median(name) + held_ms, of.median(name)

    return compare


_COMPARE: Mapping[tuple[str, Engine], Callable[[_View, _View], Pair]] = {
    ("loss", "native"): _loss,
    ("loss", "aiortc"): _loss,
    ("bitrate", "native"): _bitrate,
    ("jitter", "native"): _jitter,
    ("jitter", "aiortc"): _jitter_by_frame,
    ("frame delay", "native"): _frame_delay,
    ("frame delay", "aiortc"): _frame_delay,
    ("RTT publisher", "native"): _rtt("publisher", "rtt_pub_ms"),
    ("RTT publisher", "aiortc"): _rtt("publisher", "rtt_pub_ms"),
    ("RTT subscriber", "native"): _rtt("subscriber", "rtt_sub_ms"),
}
