"""One attempt of a bot to join, and the delay before the next (``--retries``)."""

import asyncio
from typing import NamedTuple

from sfukit.loadgen.metrics.ledger import RATE_LIMITED, JoinRecord
from sfukit.loadgen.targets.base import JoinRefusedError, Session

_RETRY_S = 0.5
_LONGEST_RETRY_S = 8.0


class Failure(NamedTuple):
    """Why an attempt failed."""

    code: str
    message: str


async def attempt(session: Session, timeout_s: float, record: JoinRecord) -> Failure | None:
    """Join; return why that failed, or None once the target accepted the bot."""
    try:
        async with asyncio.timeout(timeout_s):
            await session.join()
    except JoinRefusedError as refused:
        return Failure(refused.code, refused.message)
    except TimeoutError:
        return _timed_out(timeout_s, record)
    return None


async def run_until_failed(session: Session, record: JoinRecord) -> Failure | str:
    """Run a session that joined until it ends, and return why.

    A ``Failure`` is that of its join: the transport was not connected, or lost before it was.
    """
    failed: asyncio.Future[Failure] = asyncio.get_running_loop().create_future()

    def retry(code: str, message: str) -> None:
        if not failed.done():
            failed.set_result(Failure(code, message))

    record.retry = retry
    running = asyncio.create_task(session.run())
    try:
        await asyncio.wait((running, failed), return_when=asyncio.FIRST_COMPLETED)
        if failed.done():
            return failed.result()
        reason = running.result()
        return reason if record.connected_ns is not None else Failure("join_lost", reason)
    finally:
        record.retry = None
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def retry_delay_s(attempts: int) -> float:
    """Return the delay before the attempt after so many."""
    return float(min(_RETRY_S * 2 ** (attempts - 1), _LONGEST_RETRY_S))


def _timed_out(timeout_s: float, record: JoinRecord) -> Failure:
    within = f"within {timeout_s:.3g} s"
    if record.backing_off:
        times = record.refused_by_limit
        return Failure(
            RATE_LIMITED,
            f"refused by the target's rate limit {times} times {within}: policy, not loss",
        )
    return Failure("join_timeout", f"the target did not answer the join {within}")
