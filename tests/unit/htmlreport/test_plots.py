"""Plots: what their sentence and their table say."""

from sfukit.htmlreport.plots import Curve, Plot, figure


def test_a_sentence_says_the_range_and_when_it_was_highest() -> None:
    plot = Plot(
        title="Frame delay",
        unit="ms",
        times_s=[1.0, 2.0, 3.0],
        curves=[Curve("p95", [4.0, 31.0, None]), Curve("p50", [2.0, 2.0, 2.0])],
    )
    text = figure(plot)
    assert "p95 4.0 ms to 31 ms (highest at 2 s); p50 2.0 ms throughout." in text
    assert text.count("<tr>") == 1 + 3
    assert "<td>-</td>" in text


def test_a_long_series_is_combined_in_its_table() -> None:
    times = [float(second) for second in range(1, 601)]
    values = [900.0 if at == 333 else 1.0 for at in times]
    highest = Plot(title="d", unit="ms", times_s=times, curves=[Curve("p95", values)])
    text = figure(highest)
    assert text.count("<tr>") == 1 + 60
    assert "highest of each 10 values" in text and text.count("<td>900 ms</td>") == 1
    mean = Plot(title="d", unit="ms", times_s=times, curves=[Curve("p95", values)], combine="mean")
    assert "mean of each 10 values" in figure(mean) and "<td>91 ms</td>" in figure(mean)


def test_without_values_there_is_no_plot() -> None:
    assert figure(Plot(title="d", unit="", times_s=[1.0], curves=[Curve("a", [None])])) == ""
    assert figure(Plot(title="d", unit="", times_s=[], curves=[Curve("a", [])])) == ""
