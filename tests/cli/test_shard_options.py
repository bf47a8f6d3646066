"""``--shard``, ``--start-at`` and the environment of a Kubernetes job: what is refused."""

import sys

import pytest

from sfukit.cli.app import main

TARGET = "http://127.0.0.1:9"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--shard", "2", TARGET], "--shard 2: not I/N"),
        (["--shard", "0/5", TARGET], "shards are 1/5 to 5/5"),
        (["--shard", "6/5", TARGET], "shards are 1/5 to 5/5"),
        (["--shard", "1/1001", TARGET], "give 1 to 1000 shards"),
        (["--shard", "1/2", "--seed", "7"], "without TARGET"),
        (["--shard", "1/2", TARGET], "without --seed"),
        (["--shard", "1/2", TARGET, "--seed", "7", "--find-max"], "with --find-max"),
        (["--start-at", "noon"], "--start-at noon: not a time"),
        (["--start-at", "+30s", "--find-max"], "--start-at with --find-max"),
    ],
)
def test_contradictions(options: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["loadtest", *options]) == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("index", "count", "says"),
    [
        ("2", None, "each pod would make the whole load"),
        ("2", "two", "not numbers"),
        ("5", "5", "shards are 1/5 to 5/5"),
        ("1", "5", "--shard 2/5 without --seed"),
    ],
)
@pytest.mark.parametrize("scenario", ["meeting", "signaling"])
def test_a_pod_of_an_indexed_job(
    index: str,
    count: str | None,
    says: str,
    scenario: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("JOB_COMPLETION_INDEX", index)
    if count is not None:
        monkeypatch.setenv("SFUKIT_SHARDS", count)
    assert main(["loadtest", TARGET, "--scenario", scenario]) == 2
    assert says in capsys.readouterr().err


def test_the_scenario_signaling_has_no_shards(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "1")
    monkeypatch.setenv("SFUKIT_SHARDS", "5")
    assert main(["loadtest", TARGET, "--scenario", "signaling", "--seed", "7"]) == 2
    assert "shard 2/5 in the scenario signaling: it is of one process" in capsys.readouterr().err
    assert main(["loadtest", TARGET, "--scenario", "signaling", "--shard", "2/5"]) == 2
    assert "--shard in the scenario signaling" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([TARGET, "--token", "x"], "--token with --scheduler: workers sign tokens"),
        ([TARGET, "--api-secret", "@f"], "--api-secret with --scheduler"),
        ([TARGET, "--header", "K: V"], "--header with --scheduler"),
        ([TARGET, "--allow-host", "h"], "set SFUKIT_ALLOW_HOSTS there"),
        ([TARGET, "--shard", "1/2"], "--shard with --scheduler"),
        ([TARGET, "--find-max"], "--find-max with --scheduler"),
        ([], "--scheduler without TARGET"),
        (["http://user:pass@127.0.0.1:9"], "has a secret, and tasks carry none"),
        (["whip+http://127.0.0.1:9/?token=x", "--play", "http://127.0.0.1:9"], "has a secret"),
    ],
)
def test_workers_are_told_no_secrets(
    options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["loadtest", "--scheduler", "tcp://127.0.0.1:9", *options]) == 2
    refusal = capsys.readouterr().err
    assert says in refusal and "user:pass" not in refusal


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "--workers without TARGET"),
        ([TARGET, "--shard", "1/2"], "--shard with --workers"),
        ([TARGET, "--find-max"], "--find-max with --workers"),
        ([TARGET, "--prometheus", ":0"], "--prometheus with --workers"),
        ([TARGET, "-c", "1"], "no client is left for it: the plan has 1"),
    ],
)
def test_processes_share_a_plan_of_a_target(
    options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["loadtest", "--workers", "2", *options]) == 2
    assert says in capsys.readouterr().err


def test_a_plain_scheduler_elsewhere_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["loadtest", TARGET, "--scheduler", "tcp://10.1.2.3:8786"]) == 2
    assert "--insecure-scheduler" in capsys.readouterr().err


def test_certificates_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("distributed")
    assert main(["loadtest", TARGET, "--scheduler", "tls://127.0.0.1:9", "-c", "4"]) == 2
    refusal = capsys.readouterr().err
    assert "without certificates" in refusal and "TLS__CA_FILE" in refusal


def test_the_extra_is_named_where_it_is_absent(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert main(["loadtest", TARGET, "--scheduler", "tcp://127.0.0.1:9", "-c", "4"]) == 2
    assert "pip install 'sfukit[dask]'" in capsys.readouterr().err


@pytest.mark.parametrize("options", [["--workers", "2"], ["--scheduler", "tcp://127.0.0.1:9"]])
def test_a_pod_of_a_job_makes_no_whole_load(
    options: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JOB_COMPLETION_INDEX", "1")
    assert main(["loadtest", TARGET, *options]) == 2
    assert "each pod would make the whole load" in capsys.readouterr().err
