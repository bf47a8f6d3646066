"""The manifests of deploy/ and the example of a CI matrix: valid, and the commands in them too."""

import re
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import typer
import yaml

from sfukit.cli import loadtest_parse
from sfukit.cli.loadtest import app as loadtest_app
from sfukit.cli.report import app as report_app
from sfukit.loadgen.options import RunOptions, Shard

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = sorted((ROOT / "deploy" / "kubernetes").glob("*.yaml"))
WORKFLOW = ROOT / "examples" / "github-shards.yml"
CONFIGURED = {
    "TARGET": "https://sfu.example",
    "CLIENTS": "900",
    "SEED": "7",
    "START_AT": "+300s",
    "SFUKIT_ALLOW_HOSTS": "sfu.example",
}


def documents(path: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(path.read_text()))


def options_of(arguments: list[str]) -> RunOptions:
    """Parse the options of ``sfukit loadtest``."""
    command = typer.main.get_command(loadtest_app)
    with command.make_context("loadtest", arguments) as context:
        return loadtest_parse.run_options(loadtest_parse.values_of(context))


@pytest.mark.parametrize("version", ["1.33", "1.37"])
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_manifests_have_the_schema_of_kubernetes(path: Path, version: str) -> None:
    found = documents(path)
    assert found
    for document in found:
        kubernetes_validate.validate(document, version, strict=True)


def job() -> dict[str, Any]:
    (found,) = documents(ROOT / "deploy" / "kubernetes" / "loadtest-job.yaml")
    return found


def container() -> dict[str, Any]:
    (found,) = job()["spec"]["template"]["spec"]["containers"]
    return found


def test_a_field_that_kubernetes_does_not_know_is_found() -> None:
    wrong = job()
    wrong["spec"]["completion"] = 5
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, "1.37", strict=True)


def test_each_pod_runs_its_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    spec, pod = job()["spec"], container()
    fixed = {one["name"]: one["value"] for one in pod["env"] if "value" in one}
    assert spec["parallelism"] == spec["completions"] == int(fixed["SFUKIT_SHARDS"])
    assert pod["command"] == ["sfukit", "loadtest"]
    for name, value in {**CONFIGURED, **fixed}.items():
        monkeypatch.setenv(name, value)
    for index in range(spec["completions"]):
        monkeypatch.setenv("JOB_COMPLETION_INDEX", str(index))
        options = options_of([expanded(text, CONFIGURED) for text in pod["args"]])
        assert options.shard == Shard(index + 1, spec["completions"])
        assert (options.target, options.load.clients) == ("https://sfu.example", 900)
        assert options.start_at_s is not None
        assert options.access.allow_hosts == frozenset({"sfu.example"})


def expanded(text: str, values: Mapping[str, str]) -> str:
    """Replace ``$(NAME)`` as Kubernetes does; a name without value is a failure."""
    return re.sub(r"\$\((\w+)\)", lambda found: values[found[1]], text)


def test_secrets_come_from_a_secret_alone() -> None:
    pod = container()
    secret = {
        one["name"]: one["valueFrom"]["secretKeyRef"]["name"]
        for one in pod["env"]
        if "valueFrom" in one
    }
    assert secret == dict.fromkeys(("SFUKIT_API_KEY", "SFUKIT_API_SECRET"), "sfukit-loadtest")
    assert "limits" in pod["resources"] and "cpu" not in pod["resources"]["limits"]


def commands() -> Iterator[list[str]]:
    """Return the commands of sfukit in the workflow, for the second shard."""
    values = {
        "matrix.index": "2",
        "github.run_id": "1",
        "$TARGET": "https://sfu.example",
        "$START_AT": "+300s",
        "$GITHUB_STEP_SUMMARY": "summary.md",
    }
    (workflow,) = documents(WORKFLOW)
    for one in workflow["jobs"].values():
        for step in one["steps"]:
            text = re.sub(r"\$\{\{ ([\w.]+) \}\}", lambda m: values[m[1]], step.get("run", ""))
            words = [values.get(word, word) for word in shlex.split(text)]
            if words[:1] == ["sfukit"]:
                yield words[1:]


def test_the_workflow_runs_the_shards_and_merges_them() -> None:
    (workflow,) = documents(WORKFLOW)
    indices = workflow["jobs"]["shard"]["strategy"]["matrix"]["index"]
    load, merge = commands()
    assert load[0] == "loadtest"
    options = options_of(load[1:])
    assert options.shard == Shard(2, len(indices))
    assert indices == list(range(1, len(indices) + 1))
    assert options.tags == {"run": "1"}
    assert merge[:2] == ["report", "merge"]
    with typer.main.get_command(report_app).make_context("report", merge[1:]) as context:
        assert context.params["markdown"] == "summary.md"
