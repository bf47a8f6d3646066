"""Tasks of workers carry no secrets; their answers are read as hostile."""

from dataclasses import fields

import msgspec
import pytest

from sfukit.errors import UsageError
from sfukit.loadgen.dask import scheduler_address, task
from sfukit.loadgen.options import Group, LoadOptions, RunOptions, Shard, Stage
from sfukit.loadgen.scenario import plan
from sfukit.loadgen.shards import fingerprint
from sfukit.loadgen.verdict import gate_figures
from sfukit.swarm import impairment
from sfukit.targets.access import Access

SECRETS = ("tok3n", "k3y", "s3cret", "h3ader", "h0st")
OPTIONS = RunOptions(
    load=LoadOptions(
        rooms=2,
        groups=(Group(name="phones", clients=2, net_down=impairment.parse("loss=1%", "")),),
        stages=(Stage(5.0, 4),),
        seed=7,
    ),
    access=Access(
        token=SECRETS[0],
        api_key=SECRETS[1],
        api_secret=SECRETS[2],
        headers=(("X-Key", SECRETS[3]),),
        allow_hosts=frozenset({SECRETS[4]}),
        ca_file="/etc/ca.pem",
    ),
    command=("sfukit", "loadtest", "--token", SECRETS[0]),
    target="https://sfu.example",
    gates=(gate_figures.parse("join_ms[group=phones].p95 < 900ms"),),
    name="nightly",
    tags={"commit": "1a2b"},
    server_args=("--api-secret", SECRETS[2]),
    target_plugin="module:Class",
)


def test_a_task_has_the_load_and_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SFUKIT_API_KEY", "worker-key")
    monkeypatch.setenv("SFUKIT_API_SECRET", "worker-secret")
    monkeypatch.setenv("SFUKIT_ALLOW_HOSTS", "sfu.example")
    text = task.encode(OPTIONS, Shard(2, 3), 1_900_000_000.5)
    assert [secret for secret in SECRETS if secret.encode() in text] == []
    found = task.decode(text)
    assert (found.load, found.gates, found.target) == (OPTIONS.load, OPTIONS.gates, OPTIONS.target)
    assert (found.shard, found.start_at_s) == (Shard(2, 3), 1_900_000_000.5)
    assert (found.name, found.tags) == ("nightly", {"commit": "1a2b"})
    assert (found.access.api_key, found.access.api_secret) == ("worker-key", "worker-secret")
    assert found.access.allow_hosts == frozenset({"sfu.example"})
    assert found.access.ca_file == "/etc/ca.pem"
    assert (found.target_plugin, found.server_args, found.access.token) == (None, (), None)


def test_a_worker_without_permission_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SFUKIT_API_KEY", "SFUKIT_API_SECRET", "SFUKIT_ALLOW_HOSTS"):
        monkeypatch.delenv(name, raising=False)
    found = task.decode(task.encode(OPTIONS, Shard(1, 1), 0.0))
    assert (found.access.allow_hosts, found.access.api_key) == (frozenset(), None)


@pytest.mark.parametrize("text", [b"", b"{}", b'{"load": 1}', b"[" * 10_000])
def test_what_is_no_task_is_refused(text: bytes) -> None:
    with pytest.raises(UsageError, match="not a task of this version"):
        task.decode(text)


@pytest.mark.parametrize("answer", [None, "text", b"", b"[1]", b'{"error": 1}', object()])
def test_what_is_no_answer_is_an_error(answer: object) -> None:
    assert task.outcome(answer).error == "the answer of the worker is no report"


def test_an_answer_is_a_report_or_an_error() -> None:
    found = task.outcome(msgspec.json.encode(task.ShardOutcome(report=msgspec.Raw(b'{"a": 1}'))))
    assert (bytes(found.report), found.error) == (b'{"a": 1}', None)
    assert task.outcome(b'{"error": "refused"}').error == "refused"


@pytest.mark.parametrize(
    "address",
    ["tcp://127.0.0.1:8786", "tcp://localhost:8786", "tcp://[::1]:8786", "tls://host:8786"],
)
def test_schedulers_are_local_or_encrypted(address: str) -> None:
    assert scheduler_address.checked(address, insecure=False) == address


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("tcp://10.1.2.3:8786", "plain tcp to another machine"),
        ("tcp://scheduler.example:8786", "plain tcp to another machine"),
        ("tcp://127.0.0.1.example:8786", "plain tcp to another machine"),
        ("http://127.0.0.1:8786", "not an address"),
        ("tls://host", "not an address"),
        ("tls://host:99999", "not an address"),
        ("tls://[::1", "not an address"),
        ("", "not an address"),
    ],
)
def test_other_schedulers_are_refused(address: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        scheduler_address.checked(address, insecure=False)


def test_plain_tcp_is_allowed_where_asked_for() -> None:
    assert scheduler_address.checked("tcp://10.1.2.3:8786", insecure=True)


def test_every_option_of_a_run_is_in_a_task_or_read_by_the_worker() -> None:
    """A new option of a run has to be added to tasks and to the fingerprint of the plan."""
    by_worker = {"access", "command", "pin", "server_args", "target_plugin", "start_at_s"}
    refused = {"relay"}  # with --scheduler
    of_report = {"baseline", "max_regression", "name", "tags"}
    options = {field.name for field in fields(RunOptions)}
    told = {field.name for field in msgspec.structs.fields(task.ShardTask)}
    assert options - told == by_worker - {"start_at_s"} | refused | of_report - {"name", "tags"}
    described = fingerprint.described(plan(OPTIONS.load), OPTIONS)
    load = {field.name for field in fields(LoadOptions)}
    assert options | load <= described.keys() | by_worker | of_report | {"load", "shard"}
