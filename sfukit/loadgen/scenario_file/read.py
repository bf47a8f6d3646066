"""Read a scenario file; every error names the file, the line and the key."""

import re
from typing import Any, NamedTuple

from sfukit import units
from sfukit.errors import UsageError
from sfukit.loadgen.options import Group, Stage
from sfukit.loadgen.scenario_file import document, keys
from sfukit.loadgen.scenario_file.document import Document, shown
from sfukit.loadgen.scenario_file.lines import Path
from sfukit.swarm import network_presets
from sfukit.swarm.impairment import Impairment

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_RESERVED = ("impaired", "free")
_MAX_GROUPS = 64
_MAX_STAGES = 1_000


class ScenarioFile(NamedTuple):
    """A scenario: option values by name as on the command line, groups, stages."""

    values: dict[str, Any]
    groups: tuple[Group, ...]
    stages: tuple[Stage, ...]
    relayed_at: str | None = None  # file, line and first key that asks for a TURN server


def read(name: str) -> ScenarioFile:
    """Return the scenario of a file; raise ``UsageError`` for what is wrong with it."""
    return parse(document.read(name, "--scenario"), name)


def parse(text: str, name: str) -> ScenarioFile:
    """Return the scenario of a TOML document."""
    return _Reader(Document(text, name, keys.COMMAND_LINE_ONLY)).scenario()


class _Reader:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._where = document.where

    def scenario(self) -> ScenarioFile:
        document = self._document
        groups = document.tables("group", keys.GROUP, _MAX_GROUPS)
        stages = document.tables("stage", keys.STAGE, _MAX_STAGES)
        values = {key: one for key, one in document.values.items() if key not in ("group", "stage")}
        document.check(values, keys.RUN, ())
        self._check_together(values, bool(groups), bool(stages))
        self._networks(values, ())
        return ScenarioFile(
            _as_options(values),
            tuple(self._group(one, place, groups) for place, one in enumerate(groups)),
            tuple(self._stage(one, place) for place, one in enumerate(stages)),
            self._relayed_at(values, groups),
        )

    def _relayed_at(self, values: dict[str, Any], groups: list[dict[str, Any]]) -> str | None:
        tables: list[tuple[dict[str, Any], Path]] = [(values, ())]
        tables += [(one, ("group", place)) for place, one in enumerate(groups)]
        places = (path for table, path in tables if table.get("relay_only"))
        return next((self._where((*path, "relay_only")) for path in places), None)

    def _check_together(self, values: dict[str, Any], groups: bool, stages: bool) -> None:
        for name, given, instead in (
            ("scenario", groups, "[[group]]"),
            ("clients", groups, "clients of each [[group]]"),
            ("publishers", groups, "publish of each [[group]]"),
            ("subscribers", groups, "publish of each [[group]]"),
            ("audio_publishers", groups, "publish of each [[group]]"),
            ("clients", stages, "clients of each [[stage]]"),
            ("duration", stages, "duration of each [[stage]]"),
        ):
            if given and name in values:
                raise UsageError(
                    f"{self._where((name,))}: contradicts {instead}", hint=f"leave {name} out"
                )

    def _group(self, table: dict[str, Any], place: int, groups: list[dict[str, Any]]) -> Group:
        where = self._where(("group", place))
        for name in ("name", "clients"):
            if name not in table:
                raise UsageError(f"{where}: a group without {name}", hint=f"add {name} = ...")
        name = table["name"]
        where = self._where(("group", place, "name"))
        if not _NAME.fullmatch(name):
            raise UsageError(
                f"{where} = {shown(name)}: not a name", hint="a-z, 0-9 and -, up to 32 characters"
            )
        if name in _RESERVED:
            raise UsageError(f"{where} = {shown(name)}: a name of the report", hint="rename it")
        if any(one.get("name") == name for one in groups[:place]):
            raise UsageError(f"{where} = {shown(name)}: given twice", hint="rename one")
        net_up, net_down = self._networks(table, ("group", place))
        publish = table.get("publish", "video+audio").split("+")
        return Group(
            name=name,
            clients=table["clients"],
            video="video" in publish,
            audio="audio" in publish,
            subscribes=table.get("subscribe", True),
            layout=table.get("layout"),
            codec=table.get("codec"),
            relay_only=table.get("relay_only"),
            net_up=net_up,
            net_down=net_down,
            net_share=units.ratio(table.get("net_share", "100%"), where),
        )

    def _networks(
        self, table: dict[str, Any], path: Path
    ) -> tuple[Impairment | None, Impairment | None]:
        """Return up and down of a table: its preset with the keys that it gives."""
        names = ("net", "net_up", "net_down")
        net, up, down = (table.get(name) for name in names)
        places = (self._where((*path, name)) for name in names)
        return network_presets.directions(net, up, down, tuple(places))

    def _stage(self, table: dict[str, Any], place: int) -> Stage:
        for name in ("duration", "clients"):
            if name not in table:
                where = self._where(("stage", place))
                raise UsageError(f"{where}: a stage without {name}", hint=f"add {name} = ...")
        where = self._where(("stage", place, "duration"))
        duration_s = units.duration_s(table["duration"], where)
        if duration_s <= 0:
            raise UsageError(f"{where}: measures nothing", hint="give 10s or more")
        return Stage(duration_s, table["clients"])


def _as_options(values: dict[str, Any]) -> dict[str, Any]:
    """Return the values by the names of the command line's options."""
    renamed = dict(values)
    if "simulcast" in renamed:
        renamed["no_simulcast"] = not renamed.pop("simulcast")
    if "default_gates" in renamed:
        renamed["no_default_gates"] = not renamed.pop("default_gates")
    if "gates" in renamed:
        renamed["gate"] = renamed.pop("gates")
    return renamed
