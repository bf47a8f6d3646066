"""The samples of a running measurement: sparklines on a terminal, plain lines elsewhere."""

from collections import deque

from sfukit.cli.latency_text import sample_line, shown_rows
from sfukit.cli.live_view import MOST_VALUES, LiveView, sparklines
from sfukit.cli.output import Output
from sfukit.loadgen.latency.result import Sample


class View(LiveView):
    """Print the lines and the samples of a measurement."""

    def __init__(self, out: Output) -> None:
        super().__init__(out)
        self._samples: deque[Sample] = deque(maxlen=MOST_VALUES)

    def sample(self, sample: Sample) -> None:
        """Print the sample of an interval."""
        self._samples.append(sample)
        if not self.draw(lambda width: sparklines(shown_rows(self._samples), width)):
            self.line(sample_line(sample))
