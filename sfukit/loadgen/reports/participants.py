"""The participants of a load test: a heat map by room, and the table that it is drawn from."""

from itertools import groupby

from sfukit import gates
from sfukit.htmlreport.elements import details, table, text
from sfukit.htmlreport.heat_map import Cell, Measure, Row, heat_map
from sfukit.loadgen.reports import sentences
from sfukit.loadgen.result.report import LoadtestReport
from sfukit.loadgen.result.series import MOST_CLIENTS, Client

# The scales end at the bounds of the default gates.
_MEASURES = (
    (Measure("frame delay p95", "ms", 0, 400), "e2e_frame_p95_ms"),
    (Measure("loss before repair", "ratio", 0, 0.05), "loss_raw"),
    (Measure("loss after repair", "ratio", 0, 0.005), "loss_after_rtx"),
    (Measure("frozen", "ratio", 0, 0.01), "freeze_est"),
    (Measure("quality score", "", 100, 50), "quality"),
    (Measure("join", "ms", 0, 1000), "join_ms"),
    (Measure("first frame", "ms", 0, 2000), "ttff_ms"),
)
_MOST_ROWS = 600  # of the table


def section(report: LoadtestReport) -> str:
    """Return map and table; nothing without figures per client."""
    clients = report.clients
    if not clients:
        return ""
    rows = [
        Row(room, [_cell(client) for client in group])
        for room, group in groupby(clients, key=lambda client: client.room)
    ]
    drawn = heat_map("Participants by room", [measure for measure, _ in _MEASURES], rows)
    return _omitted(report) + drawn + _table(clients)


def _cell(client: Client) -> Cell:
    values = [getattr(client, name) for _, name in _MEASURES]
    return Cell(client.name, values, _note(client), failed=not client.joined)


def _note(client: Client) -> str:
    notes = []
    if client.failure:
        notes.append(client.failure)
    if client.tracks != client.planned_tracks:
        notes.append(f"{client.tracks}/{client.planned_tracks} tracks")
    if client.impaired:
        notes.append("impaired network")
    return ", ".join(notes)


def _omitted(report: LoadtestReport) -> str:
    clients = sentences.load(report).clients
    if clients <= MOST_CLIENTS:
        return ""
    return f"<p>The first {MOST_CLIENTS:,} of {clients:,} clients.</p>"


def _table(clients: list[Client]) -> str:
    shown = sorted(clients, key=_badness, reverse=True)[:_MOST_ROWS]
    rows = [
        [
            text(f"{client.room} {client.name}"),
            *(text(gates.show(getattr(client, name), one.unit)) for one, name in _MEASURES),
            f"{client.tracks}/{client.planned_tracks}",
            text(gates.show(client.bitrate_in_bps, "bit/s")),
            text(_note(client)),
        ]
        for client in shown
    ]
    head = ["client", *(one.name for one, _ in _MEASURES), "tracks", "received", "note"]
    title = f"Table of {len(rows)} participants, the worst first"
    return details(title, table("Participants", head, rows))


def _badness(client: Client) -> tuple[bool, float]:
    """Return the order of the table: failed joins, then the largest share of a scale."""
    shares = [
        (getattr(client, name) - measure.good) / (measure.bad - measure.good)
        for measure, name in _MEASURES
        if getattr(client, name) is not None
    ]
    return not client.joined, max(shares, default=0.0)
