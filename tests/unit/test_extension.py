"""An extension that was built from other messages than those of the package is refused."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

import sfukit
from sfukit import extension
from sfukit.errors import ExitCode, MachineError

PACKAGE = Path(sfukit.__file__).parent
MIRRORS = ("server/native_messages.py", "swarm/messages.py", "loadgen/metrics/figures.py")
BUILT = '''
"""Messages."""
Srtp = Literal["auto", "gcm128"]
LIMIT = 3

class Join(Command, tag="join"):
    """Join."""

    name: str
    at_ns: int = 0

class Leave(Command, tag="leave"):
    name: str
'''


def differences(tmp_path: Path, installed: str) -> list[str]:
    (tmp_path / "messages.py").write_text(installed)
    return extension.differences([("messages.py", BUILT)], tmp_path)


def test_the_extension_of_this_environment_has_the_messages_of_this_package() -> None:
    from sfukit import _native

    assert {path for path, _ in _native.MIRRORS} > set(MIRRORS)
    assert extension.differences(_native.MIRRORS, PACKAGE) == []
    extension.check()


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        ("    at_ns: int = 0\n", "    at_ns: int = 0\n    late: bool = False\n", "Join"),
        ("name: str\n    at_ns", "at_ns", "Join"),
        ("at_ns: int = 0", "at_ns: float = 0", "Join"),
        ('tag="leave"', 'tag="left"', "Leave"),
        ('"gcm128"', '"gcm128", "cm80"', "Srtp"),
        ("class Leave(", "class Left(", "Left"),
    ],
)
def test_a_message_that_differs_is_named(
    tmp_path: Path, before: str, after: str, named: str
) -> None:
    assert differences(tmp_path, BUILT.replace(before, after, 1))[0] == named


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"""Join."""', '"""Join a room."""'),
        ("LIMIT = 3", "LIMIT = 4"),
        ("at_ns: int = 0\n", "at_ns: int = 0  # a clock\n"),
        ("    name: str\n    at_ns: int = 0\n", "    at_ns: int = 0\n    name: str\n"),
    ],
)
def test_comments_constants_and_order_are_not_compared(
    tmp_path: Path, before: str, after: str
) -> None:
    assert before in BUILT
    assert differences(tmp_path, BUILT.replace(before, after)) == []


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    assert extension.differences([("messages.py", BUILT)], tmp_path) == ["messages.py"]


def stale(monkeypatch: pytest.MonkeyPatch, mirrors: object) -> MachineError:
    module = ModuleType("sfukit._native")
    if mirrors is not None:
        module.MIRRORS = mirrors  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sfukit._native", module)
    monkeypatch.setattr("sfukit._native", module, raising=False)
    with pytest.raises(MachineError) as caught:
        extension.check()
    return caught.value


def test_an_extension_without_mirrors_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    error = stale(monkeypatch, None)
    assert "older than this version of sfukit" in error.what
    assert (error.hint, error.exit_code) == ("make setup", ExitCode.USAGE)


def test_the_error_names_the_messages_and_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (PACKAGE / "swarm/messages.py").read_text().replace("stream: int", "track: int")
    error = stale(monkeypatch, [("swarm/messages.py", text)])
    assert re.search(r": Publish, SetActiveEncodings, Unpublish and \d+ more$", error.what)
    assert error.hint == "make setup"


def test_an_installed_package_names_pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(extension, "_PACKAGE", tmp_path / "sfukit")
    assert stale(monkeypatch, None).hint == "pip install --force-reinstall sfukit"
