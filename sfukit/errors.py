"""Errors named by fault, and the exit code each of them means."""

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """The exit status of every command."""

    OK = 0
    BUG = 1
    USAGE = 2
    FAILED = 3
    TARGET = 4
    INCONCLUSIVE = 5
    INTERRUPTED = 130


class SfukitError(Exception):
    """A fault that a user can act on: what happened, and what to do about it."""

    exit_code: ClassVar[ExitCode] = ExitCode.BUG

    def __init__(self, what: str, *, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class UsageError(SfukitError):
    """The command line or a configuration file asks for something that makes no sense."""

    exit_code = ExitCode.USAGE


class MachineError(SfukitError):
    """This machine cannot do it as it stands: a missing extra, a taken port, a limit."""

    exit_code = ExitCode.USAGE


class TargetError(SfukitError):
    """The target could not be used: unreachable, refused, unsuitable, or without media."""

    exit_code = ExitCode.TARGET
