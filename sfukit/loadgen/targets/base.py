"""The interface of targets."""

from typing import Protocol

from sfukit.loadgen.bot_session import BotSession


class JoinRefusedError(Exception):
    """The target refused a join: code, message and retry delay."""

    def __init__(self, code: str, message: str, retry_after_s: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s


class Session(Protocol):
    """The signaling of one bot."""

    async def join(self) -> None:
        """Join; return once the target accepted the bot; raise ``JoinRefusedError``."""

    async def run(self) -> str:
        """Process messages of the target until the session ends; return the reason."""

    async def leave(self) -> None:
        """End the session; never fails."""


class Target(Protocol):
    """A server under load."""

    def session(self, bot_session: BotSession) -> Session:
        """Return the signaling of one bot."""
