"""``python -m tools.ruler``: inject, measure, compare, print one table."""

import asyncio
import os
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from sfukit import machine
from sfukit.errors import ExitCode
from sfukit.loadgen.latency.options import Engine
from tools.ruler import swarm, table
from tools.ruler.cases import CASES, CLEAN
from tools.ruler.measure import bench
from tools.ruler.rows import Row, rows

DOCUMENT = Path(__file__).parents[2] / "docs" / "ruler.md"


class Ruled(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON of a run."""

    tool: str = "ruler"
    kernel: str
    cores: int
    load_before: float
    duration_s: float
    met: bool
    rows: list[Row]


def main(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[CASE]...", help=f"of {', '.join(CASES)}")
    ] = None,
    duration_s: Annotated[
        float, typer.Option("--duration", min=2.0, help="measured seconds of each case")
    ] = 20.0,
    engine: Annotated[str, typer.Option(help="native, or aiortc for both")] = "aiortc",
    loads: Annotated[
        bool, typer.Option("--loads/--no-loads", help="also the impairment of `loadtest`")
    ] = True,
    json: Annotated[str | None, typer.Option(metavar="FILE", help="write the rows")] = None,
    document: Annotated[
        bool, typer.Option("--document", help="write the table into docs/ruler.md")
    ] = False,
) -> None:
    """Compare injected with reported figures; exit code 3 where one is outside of its bound."""
    unknown = [name for name in names or () if name not in CASES]
    if unknown or engine not in ("native", "aiortc"):
        print(f"no case or engine {', '.join(unknown) or engine}; cases: {', '.join(CASES)}")
        raise typer.Exit(ExitCode.USAGE)
    load_before = os.getloadavg()[0]
    kind: Engine = "native" if engine == "native" else "aiortc"
    found = asyncio.run(_compare(names or list(CASES), duration_s, kind))
    if loads:
        found += swarm.rows(duration_s)
    for line in table.lines(found):
        print(line)
    met = all(row.met is True for row in found if row.judged)
    facts = machine.inspect()
    if json is not None:
        ruled = Ruled(
            kernel=facts.kernel,
            cores=facts.cores,
            load_before=load_before,
            duration_s=duration_s,
            met=met,
            rows=found,
        )
        Path(json).write_bytes(msgspec.json.format(msgspec.json.encode(ruled)))
    if document:
        release = ".".join(facts.kernel.split(".")[:2])
        where = (
            f"{facts.cpu_model or 'unknown CPU'}, {facts.cores} cores, Linux {release}, "
            f"load before {load_before:.1f}; {duration_s:g} s of each case."
        )
        table.write(DOCUMENT, found, where)
    raise typer.Exit(ExitCode.OK if met else ExitCode.FAILED)


async def _compare(names: list[str], duration_s: float, engine: Engine) -> list[Row]:
    async with bench() as stand:
        clean = await stand.measure(CLEAN, duration_s, engine)
        cases = [await stand.measure(CASES[name], duration_s, engine) for name in names]
    return list(rows(clean, cases))


if __name__ == "__main__":
    typer.run(main)
