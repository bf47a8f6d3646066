"""``sfukit nat-lab``: NAT traversal between kinds of NAT, simulated or in namespaces."""

import asyncio
import importlib.util
from collections.abc import Sequence
from typing import Annotated, get_args

import typer

from sfukit import gates, report
from sfukit.cli.examples import examples
from sfukit.cli.group import Group
from sfukit.cli.nat_lab_text import render
from sfukit.cli.option import choice
from sfukit.cli.output import Output
from sfukit.cli.shared_options import Json
from sfukit.errors import MachineError, UsageError
from sfukit.gates import Gate
from sfukit.probe.natlab import html, result
from sfukit.probe.natlab.cell import Cell, Total
from sfukit.probe.natlab.conditions import Conditions, Mix, read_weights
from sfukit.probe.natlab.kinds import KINDS, MATRIX_KINDS, SAME, NatKind, kind_of
from sfukit.probe.natlab.result import Backend, NatLabReport
from sfukit.probe.natlab.strategy_names import MATRIX_STRATEGIES, MEANING, REAL_STRATEGIES, Strategy

app = typer.Typer(cls=Group, add_completion=False, rich_markup_mode=None, no_args_is_help=True)

_MOST_RUNS = 1_000_000
_RUNS = {"sim": 10_000, "netns": 3}

_Strategies = Annotated[
    list[str] | None,
    typer.Option(
        "--strategy", metavar="NAME", help=f"one of {', '.join(MEANING)}; may be repeated"
    ),
]
_Runs = Annotated[
    int | None,
    typer.Option("--runs", help="runs per cell; default 10,000 simulated, 3 in namespaces"),
]
_Seed = Annotated[int, typer.Option("--seed", help="seed of the simulation")]
_Weights = Annotated[
    str | None,
    typer.Option(
        "--weights", metavar="FILE", help="TOML: [mix] with the shares of kinds, [network]"
    ),
]
_Backend = Annotated[str, typer.Option("--backend", help="sim, or netns (Linux, root)")]
_Gates = Annotated[
    list[str] | None,
    typer.Option(
        "-T", metavar="GATE", help="PATH OP VALUE, such as 'predict.pairs_met>=12'; may be repeated"
    ),
]
_Html = Annotated[
    str | None,
    typer.Option("--html", metavar="FILE", help="write a self-contained page; - is stdout"),
]


@app.callback()
def nat_lab() -> None:
    """Test NAT traversal between kinds of NAT, simulated or in namespaces."""


@app.command(
    epilog=examples(
        "sfukit nat-lab matrix --html matrix.html",
        "sfukit nat-lab matrix --strategy predict --runs 100000 --seed 7",
        "sudo sfukit nat-lab matrix --backend netns --runs 20",
    )
)
def matrix(
    strategy: _Strategies = None,
    runs: _Runs = None,
    seed: _Seed = 1,
    weights: _Weights = None,
    backend: _Backend = "sim",
    threshold: _Gates = None,
    json: Json = None,
    html_file: _Html = None,
) -> None:
    """Test all pairs of NAT kinds: the five common ones, or those of --weights."""
    mix = read_weights(weights) if weights else None
    kinds = mix.kinds if mix else [KINDS[name] for name in MATRIX_KINDS]
    plan = _Plan(strategy, runs, seed, backend, threshold, mix, list(MATRIX_STRATEGIES))
    _finish(plan.matrix(kinds), json, html_file)


@app.command(
    epilog=examples(
        "sfukit nat-lab run --a port-restricted --b symmetric-random",
        "sfukit nat-lab run --a adm --b full-cone --strategy stack --json -",
        "sudo sfukit nat-lab run --a hairpin --b same --backend netns",
    )
)
def run(
    a: Annotated[str, typer.Option("--a", metavar="KIND", help=f"one of {', '.join(KINDS)}")],
    b: Annotated[
        str, typer.Option("--b", metavar="KIND", help="a kind, or 'same': both behind one NAT")
    ],
    strategy: _Strategies = None,
    runs: _Runs = None,
    seed: _Seed = 1,
    weights: _Weights = None,
    backend: _Backend = "sim",
    threshold: _Gates = None,
    json: Json = None,
    html_file: _Html = None,
) -> None:
    """Test one pair of NAT kinds with every strategy; --weights sets [network]."""
    mix = read_weights(weights) if weights else None
    first = kind_of(a, "--a")
    second = first if b == SAME else kind_of(b, "--b")
    plan = _Plan(strategy, runs, seed, backend, threshold, mix, list(get_args(Strategy)))
    _finish(plan.pair(first, second, same_nat=b == SAME), json, html_file)


class _Plan:
    """The options shared by both commands, parsed."""

    def __init__(
        self,
        strategies: list[str] | None,
        runs: int | None,
        seed: int,
        backend: str,
        thresholds: Sequence[str] | None,
        mix: Mix | None,
        usual: list[Strategy],
    ) -> None:
        self.backend: Backend = choice(backend, "--backend", Backend)
        given = [choice(name, "--strategy", Strategy) for name in strategies or ()]
        if self.backend == "netns":
            usual = [name for name in usual if name in REAL_STRATEGIES]
        self.strategies: list[Strategy] = list(dict.fromkeys(given)) or usual
        self.runs = _RUNS[self.backend] if runs is None else runs
        if not 1 <= self.runs <= _MOST_RUNS:
            raise UsageError(f"--runs: {self.runs} out of range", hint=f"1 to {_MOST_RUNS:,}")
        if seed < 0:
            raise UsageError(f"--seed: {seed} is below zero", hint="give 0 or more")
        self.seed = seed
        self.mix = mix
        self.conditions = mix.conditions if mix else Conditions()
        paths = result.catalogue(self.strategies)
        self.bounds: list[Gate] = [gates.parse(text, paths) for text in thresholds or ()]
        self.interrupted = False
        _need_numpy()

    def matrix(self, kinds: Sequence[NatKind]) -> NatLabReport:
        """Measure every pair."""
        from sfukit.probe.natlab import matrix

        tried = [(each, a, b) for a, b in matrix.pairs(kinds) for each in self.strategies]
        cells = self._cells(tried, same_nat=False)
        mix = None if self.interrupted else self.mix  # a part of the pairs makes no rate
        totals = matrix.totals(cells, mix, self.strategies) if mix else []
        return self._conclude(cells, totals, mix)

    def pair(self, a: NatKind, b: NatKind, *, same_nat: bool) -> NatLabReport:
        """Measure one pair."""
        cells = self._cells([(each, a, b) for each in self.strategies], same_nat=same_nat)
        return self._conclude(cells, [], None)

    def _cells(
        self, tried: Sequence[tuple[Strategy, NatKind, NatKind]], *, same_nat: bool
    ) -> list[Cell]:
        if self.backend == "netns":
            return self._real_cells(tried, same_nat=same_nat)
        from sfukit.probe.natlab import matrix

        return [
            matrix.cell(*each, self.conditions, self.runs, self.seed, same_nat=same_nat)
            for each in tried
        ]

    def _real_cells(
        self, tried: Sequence[tuple[Strategy, NatKind, NatKind]], *, same_nat: bool
    ) -> list[Cell]:
        from sfukit.probe.natlab import punch
        from sfukit.probe.natlab.deferred_interrupt import DeferredInterrupt

        if same_nat:
            raise UsageError(
                "--b same: not supported in network namespaces", hint="use --backend sim"
            )
        punch.require_supported([kind for _, a, b in tried for kind in (a, b)])

        async def measure() -> list[Cell]:
            cells: list[Cell] = []
            with DeferredInterrupt() as patience:
                for each in tried:
                    if patience.interrupted:
                        self.interrupted = True
                        break
                    cells.append(await punch.cell(*each, self.conditions, self.runs, self.seed))
            return cells

        return asyncio.run(measure())

    def _conclude(
        self, cells: Sequence[Cell], totals: Sequence[Total], mix: Mix | None
    ) -> NatLabReport:
        return result.conclude(
            backend=self.backend,
            seed=self.seed,
            runs=self.runs,
            conditions=self.conditions,
            mix=mix,
            cells=cells,
            totals=totals,
            bounds=self.bounds,
            interrupted=self.interrupted,
        )


def _finish(concluded: NatLabReport, json: str | None, html_file: str | None) -> None:
    out = Output.beside("-" if html_file == "-" else json)
    for text, style in render(concluded):
        out.line(text, style)
    report.save_last(concluded)
    if html_file is not None:
        report.write_text(html_file, html.page(concluded))
    if json is not None:
        report.write_json(json, concluded)
    raise typer.Exit(concluded.exit_code)


def _need_numpy() -> None:
    if importlib.util.find_spec("numpy") is None:
        raise MachineError("nat-lab needs numpy", hint="pip install 'sfukit[media]'")
