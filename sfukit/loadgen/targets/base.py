"""What every kind of target offers to the run."""

from typing import Protocol

from sfukit.loadgen.seat import Seat


class JoinRefusedError(Exception):
    """The target did not let a bot in: the code it gave, what it said, when to ask again."""

    def __init__(self, code: str, message: str, retry_after_s: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s


class Session(Protocol):
    """One bot's signalling."""

    async def join(self) -> None:
        """Enter; return once the target accepted the bot; raise ``JoinRefusedError``."""

    async def stay(self) -> str:
        """Follow the target until it ends the session; return its reason."""

    async def leave(self) -> None:
        """Say goodbye; never fails."""


class Target(Protocol):
    """A server under load."""

    def session(self, seat: Seat) -> Session:
        """Prepare the signalling of one bot."""
