"""Target plug-ins: a class named on the command line, whose faults name the class and the hook."""

import importlib
import importlib.util
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from sfukit.errors import UsageError
from sfukit.loadgen.scenario import Size
from sfukit.loadgen.targets.base import (
    JoinRefusedError,
    Participant,
    RearrangingSession,
    Session,
    Target,
    TargetOptions,
)
from sfukit.redaction import redacted

OPTION = "--target-plugin"
RAISED = "plugin_raised"

_HINT = "give an installed module or a file, as package.module:Class or ./file.py:Class"
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_CLASS = re.compile(r"[A-Za-z_]\w*", re.ASCII)
_MAX_TEXT = 300
# what the code of a plug-in may end with; a plug-in must not end the run by sys.exit()
_RAISED = (Exception, SystemExit)


def open_plugin(name: str, options: TargetOptions) -> "PluginTarget":
    """Load a plug-in and create its target; raise ``UsageError``."""
    made = _load(name)
    if not callable(made):
        raise UsageError(f"{OPTION} {name}: this is no class", hint=_HINT)
    try:
        target = made(options)
    except _RAISED as error:
        raise UsageError(f"{OPTION} {name} raised in __init__: {_said(error)}") from error
    if not callable(getattr(target, "session", None)):
        raise UsageError(
            f"{OPTION} {name}: the class has no method session(participant)",
            hint="docs/targets.md shows a plug-in",
        )
    return PluginTarget(name, target)


class PluginTarget:
    """The target of a plug-in; ``fault`` is what a hook raised first."""

    def __init__(self, name: str, target: Target) -> None:
        self.fault: str | None = None
        self._name = name
        self._target = target

    def session(self, participant: Participant) -> "PluginSession":
        """Return the signaling of one participant; its join fails where the hook raises."""
        try:
            session = self._target.session(participant)
        except _RAISED as error:
            session = _Refused(self.raised("session", error))
        return PluginSession(self, participant, session)

    def raised(self, hook: str, error: BaseException) -> str:
        """Record what a hook raised, which ends the run; return its description."""
        text = f"the plug-in {self._name} raised in {hook}: {_said(error)}"
        self.fault = self.fault or text
        return text


class PluginSession:
    """The session of a plug-in."""

    def __init__(self, target: PluginTarget, participant: Participant, session: Session) -> None:
        self._target = target
        self._participant = participant
        self._session = session

    async def join(self) -> None:
        """Join; raise ``JoinRefusedError`` as the plug-in does, or where it raises another."""
        try:
            await self._session.join()
        except (JoinRefusedError, TimeoutError):
            raise
        except _RAISED as error:
            raise JoinRefusedError(RAISED, self._target.raised("join", error)) from error

    async def run(self) -> str:
        """Run until the session ends; return the reason."""
        try:
            return str(await self._session.run())
        except _RAISED as error:
            return self._faulty("run", error)

    async def leave(self) -> None:
        """End the session."""
        try:
            await self._session.leave()
        except _RAISED as error:
            self._faulty("leave", error)

    async def rearrange(self, sizes: Mapping[str, Size]) -> None:
        """Change the sizes, where the plug-in can."""
        if not isinstance(self._session, RearrangingSession):
            self._participant.fault("layout_fixed", "the plug-in has no method rearrange")
            return
        try:
            await self._session.rearrange(sizes)
        except _RAISED as error:
            self._faulty("rearrange", error)

    def _faulty(self, hook: str, error: BaseException) -> str:
        text = self._target.raised(hook, error)
        self._participant.fault(RAISED, text)
        return text


class _Refused:
    """The session of a participant that the plug-in made none for."""

    def __init__(self, text: str) -> None:
        self._text = text

    async def join(self) -> None:
        raise JoinRefusedError(RAISED, self._text)

    async def run(self) -> str:
        return self._text

    async def leave(self) -> None:
        """Nothing was opened."""


def _load(name: str) -> Any:
    """Import ``module:Class`` or ``./file.py:Class``; raise ``UsageError``."""
    module_name, colon, class_name = name.rpartition(":")
    if not colon or not _CLASS.fullmatch(class_name):
        raise UsageError(f"{OPTION} {name}: no class is named", hint=_HINT)
    is_file = module_name.endswith(".py")
    if is_file and not {"/", "\\"} & set(module_name):
        raise UsageError(
            f"{OPTION} {name}: a file is named with its folder", hint=f"{OPTION} ./{name}"
        )
    if not is_file and not _MODULE.fullmatch(module_name):
        raise UsageError(f"{OPTION} {name}: {module_name!r} is no module", hint=_HINT)
    try:
        module = _of_file(Path(module_name)) if is_file else _installed(module_name)
    except _AbsentError as absent:
        raise UsageError(f"{OPTION} {name}: {absent}", hint=_HINT) from absent
    except _RAISED as error:
        raise UsageError(f"{OPTION} {name} raised while it was imported: {_said(error)}") from error
    if not hasattr(module, class_name):
        raise UsageError(
            f"{OPTION} {name}: {module_name} has no class {class_name}", hint=_classes(module)
        )
    return getattr(module, class_name)


class _AbsentError(Exception):
    """There is no such module or file."""


def _of_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise _AbsentError(f"there is no file {path}")
    name = f"_sfukit_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path.resolve())
    if spec is None or spec.loader is None:
        raise _AbsentError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def _installed(name: str) -> ModuleType:
    """Import a module, but none of the current folder."""
    here = Path.cwd().resolve()
    searched = list(sys.path)
    sys.path[:] = [entry for entry in searched if entry and Path(entry).resolve() != here]
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as missing:
        if missing.name is None or not (name + ".").startswith(missing.name + "."):
            raise  # a module that the plug-in needs
        raise _AbsentError(f"no module {name} is installed") from missing
    finally:
        sys.path[:] = searched


def _classes(module: ModuleType) -> str:
    """Name the classes that a module defines."""
    found = [
        key
        for key, value in vars(module).items()
        if isinstance(value, type) and value.__module__ == module.__name__
    ]
    return f"it has {', '.join(found[:8])}" if found else "it has no class"


def _said(error: BaseException) -> str:
    """Describe an error in one line, with the place in the plug-in where it was raised."""
    trace, place = error.__traceback__, ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if code.co_filename != __file__ and not code.co_filename.startswith("<frozen"):
            place = f" ({Path(code.co_filename).name}:{trace.tb_lineno})"
        trace = trace.tb_next
    text = " ".join(f"{type(error).__name__}: {error}".split()).removesuffix(":")
    return f"{redacted(text)[:_MAX_TEXT]}{place}"
