"""A diagnostic command of sfukit, run as a process."""

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


class Invocation(NamedTuple):
    """The arguments of a command, a prefix to run it under, and the Python program."""

    arguments: Sequence[str]
    prefix: Sequence[str] = ()
    program: Sequence[str] = ("-m", "sfukit")


class CommandResult(NamedTuple):
    """The exit code of a command, its report (JSON) and its text."""

    exit_code: int
    report: Any
    text: str


def run(command: str, invocation: Invocation, folder: Path) -> CommandResult:
    """Run a command to its end."""
    command_line = [
        *invocation.prefix,
        sys.executable,
        *invocation.program,
        command,
        *invocation.arguments,
    ]
    done = subprocess.run(
        [*command_line, "--json", "-"],
        capture_output=True,
        text=True,
        timeout=_RUN_S,
        env=_environment(folder),
        check=False,
    )
    assert done.stdout, done.stderr
    return CommandResult(done.returncode, json.loads(done.stdout), done.stderr)


def interrupted(command: str, invocation: Invocation, folder: Path, *, after: str) -> CommandResult:
    """Send SIGINT after a line of stderr that starts with `after`."""
    command_line = [
        *invocation.prefix,
        sys.executable,
        "-u",
        *invocation.program,
        command,
        *invocation.arguments,
    ]
    with subprocess.Popen(
        [*command_line, "--json", "-"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(folder),
    ) as process:
        assert process.stderr is not None
        text = ""
        for line in process.stderr:
            text += line
            if line.startswith(after):
                break
        process.send_signal(signal.SIGINT)
        out, rest = process.communicate(timeout=_RUN_S)
    return CommandResult(process.returncode, json.loads(out), text + rest)


def _environment(folder: Path) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if key not in _UNSET}
    return {**inherited, "XDG_STATE_HOME": str(folder)}
