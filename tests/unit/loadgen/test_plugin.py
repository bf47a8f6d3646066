"""Target plug-ins: where they are loaded from, and errors that name the plug-in and its hook."""

import sys
from pathlib import Path

import pytest

from sfukit.errors import UsageError
from sfukit.loadgen.options import LoadOptions, RunOptions
from sfukit.loadgen.plugin import PluginTarget, open_plugin
from sfukit.loadgen.scenario_file.read import parse
from sfukit.loadgen.target_setup import http_client, recognise_target
from sfukit.loadgen.targets.base import JoinRefusedError, RearrangingSession, TargetOptions
from sfukit.targets.access import Access

from .recordings import Bot

OPTIONS = TargetOptions("x://127.0.0.1:1/", Access(), 5.0)
CORRECT = '''
"""A plug-in."""
import sys
from sfukit.loadgen.targets.base import JoinRefusedError

class Target:
    def __init__(self, options):
        self.url = options.url

    def session(self, participant):
        return Session(participant)

class Session:
    def __init__(self, participant):
        self.participant = participant

    async def join(self):
        self.participant.accepted()

    async def run(self):
        return "ended"

    async def leave(self):
        pass

    async def rearrange(self, sizes):
        pass
'''


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "mine.py"
    path.write_text(CORRECT)
    return path


def with_body(plugin: Path, hook: str, body: str) -> PluginTarget:
    """Replace the body of one method."""
    head, _, rest = plugin.read_text().partition(f"def {hook}(")
    signature, _, after = rest.partition("\n")
    _, _, tail = after.partition("\n\n")
    plugin.write_text(f"{head}def {hook}({signature}\n        {body}\n\n{tail}")
    return open_plugin("./mine.py:Target", OPTIONS)


def test_a_file_is_loaded_by_its_path(plugin: Path) -> None:
    for name in ("./mine.py:Target", f"{plugin}:Target", f"../{plugin.parent.name}/mine.py:Target"):
        assert isinstance(open_plugin(name, OPTIONS), PluginTarget)


def test_an_installed_module_is_loaded_by_its_name(
    plugin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "site"
    installed.mkdir()
    (installed / "my_sfu.py").write_text(CORRECT)
    monkeypatch.syspath_prepend(str(installed))
    assert isinstance(open_plugin("my_sfu:Target", OPTIONS), PluginTarget)


@pytest.mark.parametrize(
    ("name", "says", "remedy"),
    [
        ("mine:Target", "no module mine is installed", "./file.py:Class"),
        ("no.such.module:Target", "no module no.such.module is installed", "./file.py:Class"),
        ("./other.py:Target", "there is no file other.py", "./file.py:Class"),
        ("mine.py:Target", "a file is named with its folder", "--target-plugin ./mine.py:Target"),
        ("./mine.py", "no class is named", "./file.py:Class"),
        ("./mine.py:", "no class is named", "./file.py:Class"),
        ("./mine.py:Other", "has no class Other", "it has Target, Session"),
        ("./mine.py:__doc__", "this is no class", "./file.py:Class"),
        ("./mine.py:Session", "has no method session", "docs/targets.md"),
        ("os;x:Target", "'os;x' is no module", "./file.py:Class"),
        (".relative:Target", "'.relative' is no module", "./file.py:Class"),
    ],
)
def test_what_is_no_plugin_is_refused(plugin: Path, name: str, says: str, remedy: str) -> None:
    sys.path.insert(0, "")  # as in an interactive interpreter
    try:
        with pytest.raises(UsageError) as refused:
            open_plugin(name, OPTIONS)
    finally:
        sys.path.remove("")
    assert says in refused.value.what
    assert name in refused.value.what
    assert remedy in (refused.value.hint or "")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("1 / 0", "ZeroDivisionError: division by zero (mine.py:1)"),
        ("import sys; sys.exit(7)", "SystemExit: 7 (mine.py:1)"),
        ("def", "SyntaxError"),
    ],
)
def test_an_import_that_raises_is_one_line(plugin: Path, line: str, says: str) -> None:
    plugin.write_text(f"{line}\n{CORRECT}")
    with pytest.raises(UsageError) as refused:
        open_plugin("./mine.py:Target", OPTIONS)
    assert says in refused.value.what
    assert "\n" not in refused.value.what
    assert "raised while it was imported" in refused.value.what


def test_a_class_that_raises_is_named(plugin: Path) -> None:
    with pytest.raises(UsageError, match="raised in __init__: ValueError: two lines") as refused:
        with_body(plugin, "__init__", 'raise ValueError("two\\nlines")')
    assert "(mine.py:8)" in refused.value.what


@pytest.mark.parametrize("hook", ["session", "join"])
@pytest.mark.parametrize("body", ["1 / 0", "sys.exit(3)"])
async def test_a_hook_that_raises_refuses_the_join(plugin: Path, hook: str, body: str) -> None:
    target = with_body(plugin, hook, body)
    session = target.session(Bot("p1").session)
    with pytest.raises(JoinRefusedError) as refused:
        await session.join()
    assert refused.value.code == "plugin_raised"
    assert f"the plug-in ./mine.py:Target raised in {hook}: " in refused.value.message
    assert target.fault == refused.value.message
    await session.leave()


@pytest.mark.parametrize("hook", ["run", "leave", "rearrange"])
async def test_a_hook_that_raises_later_is_a_fault_of_the_run(plugin: Path, hook: str) -> None:
    target = with_body(plugin, hook, '{}["token=abc"]')
    bot = Bot("p1")
    session = target.session(bot.session)
    await session.join()
    assert target.fault is None
    if hook == "rearrange":
        assert isinstance(session, RearrangingSession)
        await session.rearrange({})
    else:
        await getattr(session, hook)()
    assert f"raised in {hook}: KeyError" in (target.fault or "")
    assert bot.faults == ["plugin_raised"]


async def test_refusals_and_reasons_of_a_plugin_are_its_own(plugin: Path) -> None:
    target = with_body(plugin, "join", 'raise JoinRefusedError("full", "no place")')
    session = target.session(Bot("p1").session)
    with pytest.raises(JoinRefusedError, match="no place"):
        await session.join()
    assert target.fault is None
    assert await session.run() == "ended"


async def test_a_plugin_without_rearrange_has_a_fixed_layout(plugin: Path) -> None:
    plugin.write_text(CORRECT.replace("rearrange", "other"))
    bot = Bot("p1")
    session = open_plugin("./mine.py:Target", OPTIONS).session(bot.session)
    await session.rearrange({})
    assert bot.faults == ["layout_fixed"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"target": None}, "--target-plugin without a target"),
        ({"target": "host"}, "this is no URL"),
        ({"target": "x://h", "play": "http://h"}, "--play with --target-plugin"),
        ({"target": "x://h", "server_args": ("--x",)}, "--server-args with --target-plugin"),
    ],
)
async def test_contradictions_are_refused(options: dict[str, object], says: str) -> None:
    run = RunOptions(load=LoadOptions(), target_plugin="m:C", **options)  # type: ignore[arg-type]
    async with http_client(run) as client:
        with pytest.raises(UsageError, match=says):
            await recognise_target(run, client)


def test_scenario_files_cannot_name_plugins() -> None:
    for key in ("target_plugin", "target-plugin", "plugin"):
        with pytest.raises(UsageError, match=key):
            parse(f'{key} = "m:C"', "x.toml")
