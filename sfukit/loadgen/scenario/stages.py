"""Stages: measured windows, each with its number of clients (``--stage 30s:100``)."""

from sfukit import units
from sfukit.errors import UsageError
from sfukit.loadgen.options import Stage

_GRAMMAR = "give TIME:CLIENTS, such as --stage 30s:100 --stage 5m:500"
_MAX_CLIENTS = 1_000_000


def parse(text: str, where: str = "--stage") -> Stage:
    """Read ``TIME:CLIENTS``; raise ``UsageError`` naming the faulty part."""
    duration, colon, clients = text.partition(":")
    if not colon:
        raise UsageError(f"{where} {text}: no number of clients", hint=_GRAMMAR)
    duration_s = units.duration_s(duration, where)
    if not clients.strip().isascii() or not clients.strip().isdigit():
        raise UsageError(f"{where} {text}: cannot read the clients {clients!r}", hint=_GRAMMAR)
    stage = Stage(duration_s, int(clients[:20]))
    if not 1 <= stage.clients <= _MAX_CLIENTS:
        raise UsageError(f"{where} {text}: give 1 client or more", hint=_GRAMMAR)
    if duration_s <= 0:
        raise UsageError(f"{where} {text}: measures nothing", hint=_GRAMMAR)
    return stage
