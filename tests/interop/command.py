"""A diagnostic command of sfukit, run as a user runs it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

_RUN_S = 60.0
_UNSET = ("SFUKIT_API_KEY", "SFUKIT_API_SECRET")


class Setting(NamedTuple):
    """What to call: the arguments, a prefix to run it under, and what Python is to run."""

    arguments: Sequence[str]
    prefix: Sequence[str] = ()
    program: Sequence[str] = ("-m", "sfukit")


class Told(NamedTuple):
    """What the command said: its report, and its text for people."""

    exit_code: int
    report: Any
    text: str


def run(command: str, setting: Setting, folder: Path) -> Told:
    """Run it to its end."""
    words = [*setting.prefix, sys.executable, *setting.program, command, *setting.arguments]
    done = subprocess.run(
        [*words, "--json", "-"],
        capture_output=True,
        text=True,
        timeout=_RUN_S,
        env=_environment(folder),
        check=False,
    )
    assert done.stdout, done.stderr
    return Told(done.returncode, json.loads(done.stdout), done.stderr)


def interrupted(command: str, setting: Setting, folder: Path, *, after: str) -> Told:
    """Press Ctrl-C once it has said a line that begins so."""
    words = [*setting.prefix, sys.executable, "-u", *setting.program, command, *setting.arguments]
    with subprocess.Popen(
        [*words, "--json", "-"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(folder),
    ) as process:
        assert process.stderr is not None
        said = ""
        for line in process.stderr:
            said += line
            if line.startswith(after):
                break
        process.send_signal(signal.SIGINT)
        out, rest = process.communicate(timeout=_RUN_S)
    return Told(process.returncode, json.loads(out), said + rest)


def _environment(folder: Path) -> dict[str, str]:
    mine = {key: value for key, value in os.environ.items() if key not in _UNSET}
    return {**mine, "XDG_STATE_HOME": str(folder)}
