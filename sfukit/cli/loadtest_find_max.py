"""``sfukit loadtest --find-max``: search, print each probe, print what broke first."""

import asyncio
from typing import TYPE_CHECKING

from sfukit.cli import find_max_text
from sfukit.loadgen.options import RunOptions
from sfukit.loadgen.result.report import LoadtestReport
from sfukit.loadgen.search import search
from sfukit.loadgen.search.search_report import Probe, SearchReport
from sfukit.loadgen.timeline import Observer, Progress

if TYPE_CHECKING:
    from sfukit.cli.loadtest_view import View
    from sfukit.loadgen.run import Preflight


async def find_max(
    options: RunOptions, view: "View", stop: asyncio.Event, preflight: "Preflight | None"
) -> SearchReport:
    """Search; the first probe also prints the target and the notes on this machine."""
    from sfukit.loadgen.run import run

    plan = search.planned(options)
    probes: list[Probe] = []

    async def probe(chosen: RunOptions) -> LoadtestReport:
        observer = _ProbeObserver(view, first=not probes)
        return await run(chosen, observer, stop, None if probes else preflight)

    def on_probe(finished: Probe) -> None:
        if not probes:
            view.line(find_max_text.head_line())
        probes.append(finished)
        view.line(find_max_text.probe_line(finished))

    view.report("", "searching the largest load that passes the gates")
    view.report("plan", search.search_line(plan))
    return await search.find_max(plan, probe, on_probe, stop)


class _ProbeObserver:
    """The observer of one probe: its progress, and of the first probe also its lines."""

    def __init__(self, observer: Observer, *, first: bool) -> None:
        self._observer = observer
        self._first = first

    def report(self, label: str, text: str) -> None:
        """Pass on the lines of the first probe, but its plan."""
        if self._first and label != "plan":
            self._observer.report(label, text)

    def progress(self, progress: Progress) -> None:
        """Pass on the progress."""
        self._observer.progress(progress)
