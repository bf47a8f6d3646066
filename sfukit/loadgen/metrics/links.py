"""What impaired links counted in a window, and its metrics. Pure."""

from collections.abc import Iterable, Sequence

from sfukit.loadgen.metrics.figures import LinkFigures
from sfukit.loadgen.metrics.histogram import metric_of_histograms, metric_of_values, since
from sfukit.loadgen.result.report import Metric


def between(earlier: Sequence[LinkFigures], later: Sequence[LinkFigures]) -> list[LinkFigures]:
    """Return what each link counted between two readings, without the series over time."""
    before = {(one.bot, one.direction): one for one in earlier}
    return [_since(one, before.get((one.bot, one.direction))) for one in later]


def metrics(links: Iterable[LinkFigures]) -> dict[str, Metric]:
    """Return the metrics of the queues of downlinks."""
    down = [one for one in links if one.direction == "down" and one.datagrams]
    datagrams = sum(one.datagrams for one in down)
    dropped = sum(one.queue_drops for one in down)
    return {
        "queue_ms": metric_of_histograms(one.queue_wait for one in down),
        "queue_drops": metric_of_values(
            (one.queue_drops / one.datagrams for one in down),
            "ratio",
            average=dropped / datagrams if datagrams else None,
            weight=datagrams,
        ),
    }


def _since(later: LinkFigures, earlier: LinkFigures | None) -> LinkFigures:
    if earlier is None:
        return later
    return LinkFigures(
        bot=later.bot,
        direction=later.direction,
        datagrams=later.datagrams - earlier.datagrams,
        queue_drops=later.queue_drops - earlier.queue_drops,
        losses=later.losses - earlier.losses,
        bytes_delivered=later.bytes_delivered - earlier.bytes_delivered,
        queue_wait=since(later.queue_wait, earlier.queue_wait),
        bottleneck=later.bottleneck,
    )
