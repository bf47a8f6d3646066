"""Defer an interrupt until namespaces have been deleted (POSIX)."""

import signal
from types import FrameType, TracebackType


class DeferredInterrupt:
    """Defer SIGINT in this process and in child processes.

    ``ip`` and ``nft`` would end by the same Ctrl-C, and namespaces would stay behind. They inherit
    the mask of this thread; the handler is for signals that reach another thread of ours.
    """

    def __enter__(self) -> "DeferredInterrupt":
        self._interrupted = False
        self._handler = signal.signal(signal.SIGINT, self._note)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        return self

    @property
    def interrupted(self) -> bool:
        """Whether SIGINT was received."""
        if signal.SIGINT in signal.sigpending():
            signal.sigwait({signal.SIGINT})
            self._interrupted = True
        return self._interrupted

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        signal.signal(signal.SIGINT, self._handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._interrupted = True
