"""The cases of RFC 8867: their load, their networks over time, their report."""

import pytest

from sfukit.cli import loadtest_rfc8867
from sfukit.errors import UsageError
from sfukit.loadgen.metrics.figures import FlowFigures, LinkFigures
from sfukit.loadgen.metrics.histogram import Histogram
from sfukit.loadgen.reports.rfc8867 import section
from sfukit.loadgen.rfc8867 import load, measured
from sfukit.loadgen.rfc8867.cases import CASES, boundaries, scaled, share_at
from sfukit.loadgen.rfc8867.sampler import Reading
from sfukit.loadgen.scenario import Plan, network_at, plan


def of(name: str, **more: object) -> Plan:
    return plan(load.load(name, 1, **more))  # type: ignore[arg-type]


def down_rate(whole: Plan, group: str, case_s: float) -> int | None:
    bot = next(bot for bot in whole.slots if bot.group and bot.group.name == group)
    down = network_at(bot, whole.options, whole.windows[0].start_s + case_s)[1]
    assert down is not None
    return down.rate_bps


@pytest.mark.parametrize("name", CASES)
def test_every_case_has_a_plan(name: str) -> None:
    whole, case = of(name), CASES[name]
    window = whole.windows[0]
    assert window.end_s - window.start_s == pytest.approx(case.duration_s)
    # media flows, what publishes to them, what publishes over the back path
    assert len(whole.slots) == 1 + len(case.flows) + case.back_flows
    assert sum(bot.impaired for bot in whole.slots) == len(case.flows) + case.back_flows
    assert len(load.tcp_flows(whole, 0)) == case.tcp
    assert whole.tracks == len(case.flows) + case.back_flows
    flows = [load.flow_group(number) for number in range(1, len(case.flows) + 1)]
    shared = {
        whole.bottlenecks[bot.slot, "down"]
        for bot in whole.slots
        if bot.group and bot.group.name in flows
    }
    assert len(shared) == 1


def test_the_capacity_follows_the_time_line() -> None:
    whole = of("5.2")
    rates = [down_rate(whole, "flow-2", at_s) for at_s in (0, 24.9, 25, 50, 75, 100, 124)]
    mega = 1_000_000
    assert rates == [4 * mega, 4 * mega, 2 * mega, 3_500_000, mega, 2 * mega, 2 * mega]
    assert rates == [down_rate(whole, "flow-1", at_s) for at_s in (0, 24.9, 25, 50, 75, 100, 124)]


def test_the_back_path_of_5_3_is_shared_by_feedback_and_media() -> None:
    whole = of("5.3")
    names = {bot.group.name: bot for bot in whole.slots if bot.group}
    ups = {name: whole.bottlenecks.get((bot.slot, "up")) for name, bot in names.items()}
    assert ups["source"] is None
    assert ups["flow-1"] == ups["back-1"] == ups["back-2"] is not None
    start_s = whole.windows[0].start_s
    up = network_at(names["back-2"], whole.options, start_s + 36)[0]
    assert up is not None
    assert up.rate_bps == 800_000
    # the flow receives the source alone
    assert [one.publisher.name for one in whole.subscriptions(names["flow-1"])] == ["source-1"]


def test_flows_start_and_pause_at_their_times() -> None:
    whole = of("5.4")
    start_s = whole.windows[0].start_s
    joins = [visit.joins_s for visit in whole.attendance.visits]
    assert joins[2:] == [start_s + 20, start_s + 40]
    whole = of("5.8")
    start_s, paused = whole.windows[0].start_s, whole.options.groups[2]
    assert paused.name == "flow-2"
    assert paused.paused_s == pytest.approx((start_s + 40, start_s + 60))


def test_delays_of_5_5_and_keys_of_the_command_line() -> None:
    delays = [group.net_down.delay_ms for group in of("5.5").options.groups if group.net_down]
    assert delays == [10, 25, 50, 100, 150]
    whole = of("5.6", net_down="queue=1000ms", duration_s=30.0)
    (flow,) = load.tcp_flows(whole, 7)
    assert (flow.network.queue_ms, flow.network.rate_bps) == (1000, 2_000_000)
    first = whole.slots[1]
    assert flow.network.bottleneck == whole.bottlenecks[first.slot, "down"]
    assert (flow.end_ns - flow.start_ns) / 1e9 == pytest.approx(30)


def test_short_flows_have_transfers() -> None:
    flows = load.tcp_flows(of("5.7"), 0)
    assert len(flows) == 10
    assert all(flow.transfers and flow.transfers.max_bytes == 1_000_000 for flow in flows)


def test_a_time_line_is_scaled() -> None:
    case = scaled(CASES["5.8"], 12)
    assert boundaries(case) == pytest.approx([0, 4, 6, 12])
    assert boundaries(scaled(CASES["5.1"], 10)) == pytest.approx([0, 4, 6, 8, 10])
    assert share_at(CASES["5.1"].forward, 59.9) == 2.5


@pytest.mark.parametrize(
    ("name", "duration_s", "says"),
    [("5.9", None, "--rfc8867 5.9: no such case"), ("5.1", 2.0, "too short")],
)
def test_what_is_no_case_is_refused(name: str, duration_s: float | None, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        load.load(name, 1, duration_s=duration_s)


# --- the report -----------------------------------------------------------------------------------


def waits(count: int, ms: int) -> Histogram:
    us = ms * 1000
    bucket = (us.bit_length() - 6 << 5) + (us >> us.bit_length() - 6)
    return Histogram(count, us * count, 5, float(ms) if count else None, [(bucket, count)])


def readings(whole: Plan, rates_bps: list[int]) -> list[Reading]:
    """Return a reading per second: flow N at the Nth rate, every tenth datagram dropped."""
    start_s, seconds = whole.windows[0].start_s, round(whole.options.duration_s)
    found = []
    for second in range(seconds + 1):
        links = [
            LinkFigures(
                bot=number + 1,
                direction="down",
                datagrams=100 * second,
                queue_drops=10 * second,
                losses=0,
                bytes_delivered=rate_bps // 8 * second,
                queue_wait=waits(90 * second, 64),
            )
            for number, rate_bps in enumerate(rates_bps, 1)
        ]
        flows = [
            FlowFigures(
                flow=number,
                segments=10 * second,
                queue_drops=second,
                losses=0,
                bytes_delivered=15_000 * second,
                queue_wait=waits(9 * second, 64),
                transfers=second // 10,
            )
            for number in range(1, len(load.tcp_flows(whole, 0)) + 1)
        ]
        found.append(Reading(start_s + second, links, flows))
    return found


def test_a_report_has_rates_queue_loss_and_shares() -> None:
    whole = of("5.1")
    case = measured.report(whole, readings(whole, [500_000]))
    (flow,) = case.flows
    assert [(one.start_s, one.end_s, one.capacity_bps) for one in flow.intervals] == [
        (0, 40, 1_000_000),
        (40, 60, 2_500_000),
        (60, 80, 600_000),
        (80, 100, 1_000_000),
    ]
    first = flow.intervals[0]
    assert (first.rate_bps, first.share) == pytest.approx((500_000, 0.5))
    assert first.loss_ratio == pytest.approx(0.1)
    assert first.queue_p95_ms == pytest.approx(64, rel=0.04)
    assert len(flow.seconds) == 100
    assert flow.seconds[0].rate_bps == pytest.approx(500_000)
    assert case.fairness is None
    assert case.measured[0] == "0-40 s, 1 Mb/s: flow 1 500 kb/s (queue p95 64 ms, loss 10.0%)"
    assert "scaled" not in case.measured[-1]


def test_fairness_is_that_of_jain() -> None:
    whole = of("5.4")
    equal = measured.report(whole, readings(whole, [400_000] * 3))
    assert equal.fairness == pytest.approx(1)
    greedy = measured.report(whole, readings(whole, [1_200_000, 0, 0]))
    assert greedy.fairness == pytest.approx(1 / 3)


def test_tcp_flows_are_summed_in_the_text() -> None:
    whole = of("5.7", duration_s=20.0)
    case = measured.report(whole, readings(whole, [150_000, 150_000]))
    assert [flow.kind for flow in case.flows].count("tcp") == 10
    assert case.flows[-1].transfers == 2
    assert case.measured[0].endswith("TCP 1.2 Mb/s in 10 flows")
    assert case.measured[-1].startswith("the time line is scaled")


def test_a_run_that_ended_before_its_window_has_a_report() -> None:
    case = measured.report(of("5.7"), [])
    assert all(not flow.seconds and not flow.intervals for flow in case.flows)
    assert case.fairness is None


def test_the_case_is_in_text_and_html() -> None:
    case = measured.report(of("5.1"), readings(of("5.1"), [500_000]))
    text = list(loadtest_rfc8867.lines(case))
    assert text[0].split(maxsplit=2) == ["RFC", "8867", "5.1 variable capacity, one flow"]
    assert text[1].startswith("expected")
    assert text[2].startswith("measured        0-40 s, 1 Mb/s: flow 1 500 kb/s")
    assert max(map(len, text)) <= 100
    html = section(case)
    assert "Rate of each flow" in html
    assert "40 - 60" in html
    assert html.count("<tr") >= 5
    assert list(loadtest_rfc8867.lines(None)) == []
    assert section(None) == ""
