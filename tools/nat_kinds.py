"""Probe every kind of NAT in namespaces by the installed command and print how often it was right.

Linux, root, nftables. Each run has a world of its own, since a NAT remembers ports for minutes and
a fresh socket must be fresh to it. Exit code 0 where every run was right.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from sfukit.probe.natlab import netns, process
from sfukit.probe.natlab.rules import KINDS
from sfukit.probe.stunserver.run import Settings

TESTS = "mapping,filtering,alloc,hairpin,path"
SERVER = Settings(netns.SERVER_IPS)
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Outcome:
    """One run: what is wrong with it, and what was said in short."""

    kind: str
    loss_percent: int
    said: str
    wrong: tuple[str, ...]
    took_s: float


def expected(kind: str) -> dict[str, Any]:
    """Return the expected values by path in the JSON of the probe."""
    outer = kind.removeprefix("cgnat:")
    row = KINDS[outer]
    if row.udp_blocked:
        return {"works.udp": "blocked", "exit_code": 3, "nat.mapping": "unknown"}
    wanted = {
        "exit_code": 0,
        "works.udp": "yes",
        "nat.present": not row.routed,
        "nat.mapping": row.mapping,
        "nat.filtering": row.filtering,
        "path.cgnat": "yes" if outer != kind else "no",
    }
    if not row.routed:
        wanted["nat.allocation.kind"] = row.allocation
        wanted["nat.hairpin"] = "yes" if row.hairpin else "not_observed"
    return wanted


def value_at(document: dict[str, Any], path: str) -> Any:
    """Read one value of the report."""
    value: Any = document
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


async def run_once(kind: str, loss_percent: int) -> Outcome:
    """Build a world, probe it, compare."""
    started = time.monotonic()
    async with netns.topology(kind, loss_percent=loss_percent) as world:
        with process.stun_server(world.server, SERVER):
            document = await probe(world.client)
    wanted = expected(kind)
    wrong = tuple(
        f"{path} is {value_at(document, path)}, not {value}"
        for path, value in wanted.items()
        if value_at(document, path) != value
    )
    nat = document["nat"]
    said = f"{nat['classic']} ({nat['mapping']}/{nat['filtering']})"
    if document["works"]["udp"] == "blocked":
        said = "UDP blocked"
    return Outcome(kind, loss_percent, said, wrong, time.monotonic() - started)


async def probe(client: str) -> dict[str, Any]:
    """Run the command in the client's namespace."""
    command = [sys.executable, "-P", "-m", "sfukit", "nat-probe", f"stun:{netns.SERVER_IPS[0]}"]
    with tempfile.TemporaryDirectory() as state:
        running = await asyncio.create_subprocess_exec(
            *netns.inside(client, *command, "--tests", TESTS, "--json", "-"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "XDG_STATE_HOME": state},
        )
        async with asyncio.timeout(TIMEOUT_S):
            out, err = await running.communicate()
    try:
        document: dict[str, Any] = json.loads(out)
    except ValueError:
        raise SystemExit(f"nat-probe ended with {running.returncode}:\n{err.decode()}") from None
    return document


async def run_all(kinds: list[str], losses: list[int], runs: int, at_once: int) -> list[Outcome]:
    """Run everything, so many worlds side by side."""
    free = asyncio.Semaphore(at_once)

    async def guarded(kind: str, loss: int) -> Outcome:
        async with free:
            return await run_once(kind, loss)

    jobs = [(kind, loss) for _ in range(runs) for kind in kinds for loss in losses]
    return list(await asyncio.gather(*(guarded(kind, loss) for kind, loss in jobs)))


def table(outcomes: list[Outcome], kinds: list[str], losses: list[int]) -> list[str]:
    """Write a row for each kind: how often right, and what was said."""
    lines = [
        f"{'kind':<24}" + "".join(f"{f'right, {loss} % loss':<18}" for loss in losses) + "said"
    ]
    for kind in kinds:
        cells = ""
        for loss in losses:
            cell = [o for o in outcomes if (o.kind, o.loss_percent) == (kind, loss)]
            cells += f"{f'{sum(not o.wrong for o in cell)} of {len(cell)}':<18}"
        said = Counter(o.said for o in outcomes if o.kind == kind)
        lines.append(f"{kind:<24}{cells}" + ", ".join(f"{s} x{n}" for s, n in said.most_common()))
    return lines


def main() -> int:
    """Read the options, run, print the table and what went wrong."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--runs", type=int, default=20)
    options.add_argument("--loss", type=int, nargs="+", default=[0, 5], help="percent, each way")
    options.add_argument("--kind", nargs="+", default=netns.kinds())
    options.add_argument("--at-once", type=int, default=14)
    chosen = options.parse_args()
    started = time.monotonic()
    outcomes = asyncio.run(run_all(chosen.kind, chosen.loss, chosen.runs, chosen.at_once))
    for line in table(outcomes, chosen.kind, chosen.loss):
        print(line)
    wrong = [outcome for outcome in outcomes if outcome.wrong]
    for outcome in wrong:
        print(f"wrong: {outcome.kind}, {outcome.loss_percent} % loss: {'; '.join(outcome.wrong)}")
    took_s = time.monotonic() - started
    print(f"{len(outcomes) - len(wrong)} of {len(outcomes)} right in {took_s:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
