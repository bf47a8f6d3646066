"""Read a scenario file; every error names the file, the line and the key."""

import difflib
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any, NamedTuple

from sfukit import units
from sfukit.errors import UsageError
from sfukit.loadgen.options import Group, Stage
from sfukit.loadgen.scenario_file import keys
from sfukit.loadgen.scenario_file.keys import Key
from sfukit.loadgen.scenario_file.lines import Path, key_lines, line_of
from sfukit.swarm import network_presets
from sfukit.swarm.impairment import Impairment

_LARGEST_BYTES = 256 * 1024
_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")
_LINE = re.compile(r"\(at (?:line (\d+), column \d+|end of document)\)")
_RESERVED = ("impaired", "free")
_MAX_GROUPS = 64
_MAX_STAGES = 1_000


class ScenarioFile(NamedTuple):
    """A scenario: option values by name as on the command line, groups, stages."""

    values: dict[str, Any]
    groups: tuple[Group, ...]
    stages: tuple[Stage, ...]


def read(name: str) -> ScenarioFile:
    """Return the scenario of a file; raise ``UsageError`` for what is wrong with it."""
    try:
        with FilePath(name).open("rb") as file:
            content = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"--scenario {name}: {error.strerror}") from error
    if len(content) > _LARGEST_BYTES:
        raise UsageError(f"--scenario {name}: larger than {_LARGEST_BYTES // 1024} KiB")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"--scenario {name}: not UTF-8, at byte {error.start}") from error
    return parse(text.replace("\r\n", "\n"), name)


def parse(text: str, name: str) -> ScenarioFile:
    """Return the scenario of a TOML document."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        place = _LINE.search(str(error))
        at_end = len(text.splitlines())
        line = f":{place[1] or at_end}" if place else ""
        message = _LINE.sub("", str(error)).strip() or "not TOML"
        raise UsageError(f"{name}{line}: {message}", hint="see https://toml.io") from error
    return _Reader(name, key_lines(text)).scenario(document)


class _Reader:
    def __init__(self, name: str, lines: dict[Path, int]) -> None:
        self._name = name
        self._lines = lines

    def scenario(self, document: dict[str, Any]) -> ScenarioFile:
        groups = self._tables(document, "group", keys.GROUP, _MAX_GROUPS)
        stages = self._tables(document, "stage", keys.STAGE, _MAX_STAGES)
        values = {key: one for key, one in document.items() if key not in ("group", "stage")}
        self._check(values, keys.RUN, ())
        self._check_together(values, bool(groups), bool(stages))
        self._networks(values, ())
        return ScenarioFile(
            _as_options(values),
            tuple(self._group(one, place, groups) for place, one in enumerate(groups)),
            tuple(self._stage(one, place) for place, one in enumerate(stages)),
        )

    def _tables(
        self, document: dict[str, Any], name: str, allowed: Mapping[str, Key], most: int
    ) -> list[dict[str, Any]]:
        tables = document.get(name, [])
        if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
            raise UsageError(f"{self._where((name,))}: no list of tables", hint=f"give [[{name}]]")
        if len(tables) > most:
            raise UsageError(f"{self._where((name, most))}: more than {most}")
        for place, table in enumerate(tables):
            self._check(table, allowed, (name, place))
        return tables

    def _check(self, table: dict[str, Any], allowed: Mapping[str, Key], path: Path) -> None:
        for name, value in table.items():
            where = self._where((*path, name))
            key = allowed.get(name)
            if key is None:
                raise _unknown(name, where, allowed)
            if type(value) not in key.types:
                raise UsageError(
                    f"{where} = {_shown(value)}: wrong type", hint=f"give {key.expected}"
                )
            key.check(value, where)

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
                f"{where} = {_shown(name)}: not a name", hint="a-z, 0-9 and -, up to 32 characters"
            )
        if name in _RESERVED:
            raise UsageError(f"{where} = {_shown(name)}: a name of the report", hint="rename it")
        if any(one.get("name") == name for one in groups[:place]):
            raise UsageError(f"{where} = {_shown(name)}: given twice", hint="rename one")
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

    def _where(self, path: Path) -> str:
        """Return file, line and key, as editors and compilers show them."""
        key = "".join(f"[{part + 1}]" if isinstance(part, int) else f".{part}" for part in path)
        return f"{self._name}:{line_of(self._lines, path)}: {key.removeprefix('.')}"


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


def _unknown(name: str, where: str, allowed: Mapping[str, Key]) -> UsageError:
    if name in keys.COMMAND_LINE_ONLY:
        option = name.replace("_", "-")
        return UsageError(
            f"{where}: not allowed in a scenario file", hint=f"give --{option} on the command line"
        )
    nearest = difflib.get_close_matches(name, allowed, n=3, cutoff=0.5) or list(allowed)
    return UsageError(f"{where}: unknown key", hint=f"nearest: {', '.join(nearest)}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
