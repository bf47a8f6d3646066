"""Errors, and the exit code of each."""

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
    """An error that a user can fix: message and hint."""

    exit_code: ClassVar[ExitCode] = ExitCode.BUG

    def __init__(self, what: str, *, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class UsageError(SfukitError):
    """An invalid command line or configuration file."""

    exit_code = ExitCode.USAGE


class MachineError(SfukitError):
    """A limit of this machine: a missing extra, a port in use, a resource limit."""

    exit_code = ExitCode.USAGE


class TargetError(SfukitError):
    """The target could not be used: unreachable, refused, unsuitable, or without media."""

    exit_code = ExitCode.TARGET
