"""The example workflow: its form, and that each of its commands parses."""

import itertools
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sfukit import gates
from sfukit.cli.app import main
from sfukit.loadgen.latency import result as latency_result
from sfukit.loadgen.verdict import gate_figures
from tests.interop.server import serving

FILE = Path(__file__).resolve().parents[2] / "examples" / "github-workflow.yml"
DOCUMENT: dict[Any, Any] = yaml.safe_load(FILE.read_text())
[JOB] = DOCUMENT["jobs"].values()
SCRIPTS = {step["name"]: step["run"] for step in JOB["steps"] if "run" in step}
TOKEN_OF_A_VARIABLE = re.compile(r"\$\{?(\w+)\}?")


def commands() -> Iterator[tuple[str, list[str]]]:
    """Yield the command lines of sfukit: name of the step, words."""
    for name, script in SCRIPTS.items():
        for line in script.replace("\\\n", " ").splitlines():
            words = shlex.split(line.partition(">")[0] if line.startswith("sfukit serve") else line)
            if words and words[0] == "sfukit":
                yield name, words[1:]


def test_it_has_what_a_workflow_needs() -> None:
    assert set(DOCUMENT) == {"name", True, "permissions", "jobs"}  # YAML 1.1 reads `on` as True
    assert set(DOCUMENT[True]) == {"push", "pull_request"}
    assert DOCUMENT["permissions"] == {"contents": "read"}
    assert {"runs-on", "timeout-minutes", "env", "steps"} == set(JOB)
    assert all(("run" in step) != ("uses" in step) for step in JOB["steps"])
    actions = [step["uses"] for step in JOB["steps"] if "uses" in step]
    assert actions and all(re.fullmatch(r"actions/[\w-]+@v\d+", action) for action in actions)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_valid_bash(name: str) -> None:
    subprocess.run(["bash", "-n", "-c", SCRIPTS[name]], check=True)


def test_its_files_are_uploaded() -> None:
    written = {
        word
        for _, words in commands()
        for option, word in itertools.pairwise(words)
        if option in ("--json", "--html", "--junit")
    }
    [paths] = [step["with"]["path"] for step in JOB["steps"] if "upload" in step.get("uses", "")]
    assert written
    assert all(any(Path(word).match(path) for path in paths.split()) for word in written)


def test_every_command_parses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    checked = []
    with serving(tmp_path) as server:
        values = {"TARGET": server.http, "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
        for name, words in commands():
            known = [TOKEN_OF_A_VARIABLE.sub(lambda found: values[found[1]], one) for one in words]
            last = "--plan" if known[0] == "loadtest" else "--help"
            assert main([*known, last]) == 0, (name, capsys.readouterr().err)
            checked.append(known[0])
    assert sorted(checked) == ["check", "latency", "loadtest", "loadtest", "serve"]
    assert "20 clients, 4 rooms of 5" in capsys.readouterr().out


def test_every_gate_names_a_figure() -> None:
    parsed = []
    for _, words in commands():
        for option, word in itertools.pairwise(words):
            if option == "-T" and words[0] == "latency":
                parsed.append(gates.parse(word, latency_result.catalogue()))
            elif option == "-T":
                parsed.append(gate_figures.parse(word))
    assert len(parsed) == 5
