"""Networks that change during a run (``--phases FILE``)."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from sfukit import units
from sfukit.errors import UsageError
from sfukit.loadgen.options import Group, Phase
from sfukit.loadgen.scenario_file import document, keys
from sfukit.loadgen.scenario_file.document import Document, shown
from sfukit.swarm import network_presets
from sfukit.swarm.impairment import Impairment

_MAX_PHASES = 1_000

Networks = tuple[Impairment | None, Impairment | None]


def read(name: str, run: Networks, groups: Sequence[Group]) -> tuple[Phase, ...]:
    """Return the phases of a file; raise ``UsageError`` for what is wrong with it.

    ``run`` is the network of the run, up and down: a phase says what differs from it, or from the
    network of its group.
    """
    return parse(document.read(name, "--phases"), name, run, groups)


def parse(text: str, name: str, run: Networks, groups: Sequence[Group]) -> tuple[Phase, ...]:
    """Return the phases of a TOML document."""
    whole = Document(text, name)
    tables = whole.tables("phase", keys.PHASE, _MAX_PHASES)
    others = {key: value for key, value in whole.values.items() if key != "phase"}
    whole.check(others, keys.PHASES, ())
    if not tables:
        raise UsageError(f"{name}: no phase", hint='give [[phase]] with at = "20s"')
    return tuple(_phases(whole, tables, run, {group.name: group for group in groups}))


def _phases(
    whole: Document, tables: list[dict[str, Any]], run: Networks, groups: dict[str, Group]
) -> Iterator[Phase]:
    last_s: dict[str | None, float] = {}
    for place, table in enumerate(tables):
        if "at" not in table:
            where = whole.where(("phase", place))
            raise UsageError(f"{where}: a phase without at", hint='add at = "20s"')
        where = whole.where(("phase", place, "at"))
        group, at_s = table.get("group"), units.duration_s(table["at"], where)
        if group is not None and group not in groups:
            place_of_group = whole.where(("phase", place, "group"))
            raise UsageError(
                f"{place_of_group} = {shown(group)}: no such group",
                hint=f"there is: {', '.join(groups) or 'no group in this run'}",
            )
        if at_s <= last_s.get(group, -1.0):
            raise UsageError(
                f"{where} = {shown(table['at'])}: not after the phase before it",
                hint="give the phases in the order of time",
            )
        last_s[group] = at_s
        base = run if group is None else _of_group(groups[group], run)
        yield Phase(at_s, *_networks(whole, place, table, base), group)


def _of_group(group: Group, run: Networks) -> Networks:
    return (group.net_up, group.net_down) if group.net_up or group.net_down else run


def _networks(whole: Document, place: int, table: dict[str, Any], base: Networks) -> Networks:
    """Return up and down of a phase: its preset, else ``base``, with the keys that it gives."""
    net, *given = (table.get(name) for name in ("net", "net_up", "net_down"))
    where = [whole.where(("phase", place, name)) for name in ("net", "net_up", "net_down")]
    for text, here in zip(given, where[1:], strict=True):
        if text is not None and "shared" in text:
            raise UsageError(
                f"{here}: shared cannot change during a run", hint="give it in --net-down"
            )
    start: Networks = base
    if net is not None:
        start = (None, None)
    up, down = network_presets.directions(
        None if net == keys.NO_NETWORK else net, given[0], given[1], where, start
    )
    return _shared_as(base[0], up), _shared_as(base[1], down)


def _shared_as(base: Impairment | None, changed: Impairment | None) -> Impairment | None:
    """Keep the bottleneck of a preset where bots share it."""
    if base is None or changed is None:
        return changed
    return msgspec.structs.replace(changed, shared=base.shared)
