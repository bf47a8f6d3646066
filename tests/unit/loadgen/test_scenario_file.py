"""Scenario files: what they say, and errors with file, line, key and allowed values."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfukit.errors import UsageError
from sfukit.loadgen.options import Group, LoadOptions, Stage
from sfukit.loadgen.scenario import plan, plan_line
from sfukit.loadgen.scenario.impaired import network_of
from sfukit.loadgen.scenario_file.lines import key_lines, line_of
from sfukit.loadgen.scenario_file.read import parse, read
from sfukit.swarm.impairment import Impairment
from tests.unit.loadgen.faulty_files import check_refusal

EXAMPLE = Path(__file__).parents[3] / "examples" / "town-hall.toml"

DOCUMENT = '''# a comment with = and [brackets]
ramp = "20/s" # "quoted" = comment
gates = [
  "joins == 100%", # ] one
  'tracks == 100%',
]
text = """
not = "a key"
[[nor]] = a table""""
raw = \'\'\'
stage = 1\'\'\'
inline = { first = 1, second = [
  2, 3] }
"quoted key"."sub" . third = "\\" = 4"

[[group]]
name = "a"
[group.more]
deep = 1
[[group.part]]
size = 1
[[group.part]]
size = 2

[[group]]
# between
name = "b"
[[group.part]]
size = 3
[table."x.y"]
key = 1
'''


def test_the_line_of_each_key_is_found() -> None:
    tomllib.loads(DOCUMENT)
    found = key_lines(DOCUMENT)
    for path, line in {
        ("ramp",): 2,
        ("gates",): 3,
        ("text",): 7,
        ("raw",): 10,
        ("inline",): 12,
        ("quoted key", "sub", "third"): 14,
        ("group", 0): 16,
        ("group", 0, "name"): 17,
        ("group", 0, "more", "deep"): 19,
        ("group", 0, "part", 1): 22,
        ("group", 0, "part", 1, "size"): 23,
        ("group", 1): 25,
        ("group", 1, "name"): 27,
        ("group", 1, "part", 0, "size"): 29,
        ("table", "x.y", "key"): 31,
    }.items():
        assert found[path] == line, path
    assert ("not",) not in found
    assert ("stage",) not in found
    assert line_of(found, ("inline", "second")) == 12
    assert line_of(found, ("absent",)) == 1


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["\n", "# [x] = 1\n", "\n\n  # '\n"]),
            st.sampled_from(
                ['"a"', "'''\n= \"\n'''", "[\n1, # ]\n[2]]", "{ k = 1 }", '"""\\""""""', "1"]
            ),
        ),
        max_size=8,
    )
)
def test_lines_agree_with_where_keys_were_written(parts: list[tuple[str, str]]) -> None:
    text, lines = "", {}
    for number, (before, value) in enumerate(parts):
        text += before + "[[table]]\n"
        lines["table", number] = text.count("\n")
        text += f" key = {value} # end\n"
        lines["table", number, "key"] = text.count("\n") - value.count("\n")
    tomllib.loads(text)
    assert key_lines(text) == lines


@pytest.mark.parametrize(
    ("text", "says", "remedy"),
    [
        ("ramp = 20", "s.toml:1: ramp = 20: wrong type", "'20/s'"),
        ('\nramp = "abc"', "s.toml:2: ramp: cannot read 'abc'", "20/s"),
        ('x = 1\nramp = "1/s"', "s.toml:1: x: unknown key", "nearest: "),
        ('rampp = "1/s"', "s.toml:1: rampp: unknown key", "nearest: ramp"),
        ('codec = "av2"', "s.toml:1: codec = 'av2': unknown value", "vp8, h264"),
        ('layout = "grid9"', "s.toml:1: layout = 'grid9'", "speaker, grid3, grid4, grid5, all"),
        ("clients = true", "s.toml:1: clients = True: wrong type", "whole number"),
        ("clients = 0", "s.toml:1: clients = 0: out of range", "1 or more"),
        ("layers = 4", "unknown value", "choose one of 1, 2, 3"),
        ("fps = 25", "unknown value", "5, 6, 10, 15, 30"),
        ('media = "a.mp4"', "media", "command line"),
        ('simulcast = "yes"', "wrong type", "true or false"),
        ('gates = [\n"joins"]', "s.toml:1: gates: -T 'joins': not a gate", "PATH OP VALUE"),
        ("gates = [1]", "s.toml:1: gates: 1 is no string", "PATH OP VALUE"),
        ('net_up = "lag=3"', "s.toml:1: net_up: nothing is called 'lag'", "delay"),
        ('net = "dsl"', "s.toml:1: net = 'dsl': unknown value", "wifi-lossy, lte, 3g, satellite"),
        ('\nnet_down = "loss=2%,burst=0"', "s.toml:2: net_down: burst=0 is out", "1 to 1,000"),
        (
            '[[group]]\nname = "a"\nclients = 1\nnet_up = "queue=1s"',
            "s.toml:4: group[1].net_up: a queue without a rate",
            "add rate=2M",
        ),
        ('ramp = "1/s', "s.toml:1: ", "toml.io"),
        ("a = 1\na = 2", "s.toml:2: ", "toml.io"),
        ("group = 3", "s.toml:1: group: no list of tables", "[[group]]"),
        ('[group]\nname = "a"', "s.toml:1: group: no list of tables", "[[group]]"),
        ("[[group]]\nclients = 3", "s.toml:1: group[1]: a group without name", "name = "),
        ('[[group]]\nname = "a"', "s.toml:1: group[1]: a group without clients", "clients = "),
        (
            '[[group]]\nname = "a"\nclients = 1\n\n[[group]]\nname = "b"\nclients = 2\n'
            'publish = "screen"',
            "s.toml:8: group[2].publish = 'screen': unknown value",
            "video+audio, video, audio, none",
        ),
        (
            '[[group]]\nname = "a"\nclients = 1\n[[group]]\nname = "a"\nclients = 1',
            "s.toml:5: group[2].name = 'a': given twice",
            "rename",
        ),
        ('[[group]]\nname = "A b"\nclients = 1', "group[1].name = 'A b': not a name", "a-z"),
        ('[[group]]\nname = "free"\nclients = 1', "a name of the report", "rename"),
        ('[[group]]\nname = "a"\nclients = 1\nnames = 2', "group[1].names: unknown", "name"),
        ("[[stage]]\nclients = 3", "s.toml:1: stage[1]: a stage without duration", "duration"),
        ('[[stage]]\nduration = "0s"\nclients = 1', "s.toml:2: stage[1].duration: meas", "10s"),
        (
            'clients = 3\n[[stage]]\nduration = "1s"\nclients = 1',
            "s.toml:1: clients: contradicts clients of each [[stage]]",
            "leave clients out",
        ),
        (
            'scenario = "webinar"\n[[group]]\nname = "a"\nclients = 1',
            "s.toml:1: scenario: contradicts [[group]]",
            "leave scenario out",
        ),
        ('\n\ntoken = "@/etc/passwd"', "s.toml:3: token: not allowed in a scenario", "--token"),
        ('api_secret = "x"', "s.toml:1: api_secret: not allowed", "--api-secret"),
        ('target_plugin = "./x.py:X"', "not allowed in a scenario file", "--target-plugin"),
        ('\nturn = "turn:192.0.2.1"', "s.toml:2: turn: not allowed in a scenario file", "--turn"),
        ('turn_secret = "@/etc/passwd"', "turn_secret: not allowed", "--turn-secret"),
        ('turn_user = "u"', "turn_user: not allowed", "--turn-user"),
        (
            '[[group]]\nname = "a"\nclients = 1\nrelay_only = "yes"',
            "s.toml:4: group[1].relay_only = 'yes': wrong type",
            "true or false",
        ),
        ('latency = "rtp"', "s.toml:1: latency = 'rtp'", "auto, tag, capture-time, barcode, off"),
        ('server_args = "--help"', "not allowed in a scenario file", "--server-args"),
        ("[" * 2000, "s.toml", "toml.io"),
        ("x = " + "[" * 5000, "s.toml", "toml.io"),
    ],
)
def test_an_error_names_file_line_key_and_remedy(text: str, says: str, remedy: str) -> None:
    check_refusal(lambda: parse(text, "s.toml"), says, remedy)


def test_a_scenario_has_values_groups_and_stages() -> None:
    found = parse(
        'simulcast = false\ngates = ["joins == 100%"]\ndefault_gates = false\nramp = "5/s"\n'
        '[[stage]]\nduration = "1m"\nclients = 4\n'
        '[[group]]\nname = "a"\nclients = 4\npublish = "audio"\nnet_up = "loss=2%"\n',
        "s.toml",
    )
    assert found.values == {
        "no_simulcast": True,
        "gate": ["joins == 100%"],
        "no_default_gates": True,
        "ramp": "5/s",
    }
    assert found.stages == (Stage(60.0, 4),)
    assert found.groups == (Group(name="a", clients=4, video=False, net_up=Impairment(loss=0.02)),)


def test_the_first_key_that_asks_for_a_turn_server_is_named() -> None:
    group = '[[group]]\nname = "{}"\nclients = 1\nrelay_only = {}\n'
    found = parse(group.format("a", "false") + group.format("b", "true"), "s.toml")
    assert [one.relay_only for one in found.groups] == [False, True]
    assert found.relayed_at == "s.toml:8: group[2].relay_only"
    assert parse("relay_only = true", "s.toml").relayed_at == "s.toml:1: relay_only"
    assert parse(group.format("a", "false"), "s.toml").relayed_at is None


def test_groups_pass_the_relay_as_they_say_else_as_the_run_does() -> None:
    groups = (
        Group(name="run", clients=1),
        Group(name="always", clients=2, relay_only=True),
        Group(name="never", clients=3, relay_only=False),
    )
    for relay_only, relayed in ((False, 2), (True, 3)):
        whole = plan(LoadOptions(groups=groups, relay_only=relay_only, seed=5))
        assert whole.relayed_slots == relayed
    assert not whole.is_relayed(whole.bots[-1])


def test_a_group_completes_its_preset() -> None:
    found = parse(
        '[[group]]\nname = "a"\nclients = 4\nnet = "3g"\nnet_up = "queue=1s"\nnet_share = "50%"\n',
        "s.toml",
    )
    (group,) = found.groups
    assert group.net_up is not None
    assert group.net_down is not None
    assert (group.net_up.rate_bps, group.net_up.queue_ms) == (768_000, 1_000)
    assert (group.net_down.rate_bps, group.net_down.queue_ms) == (1_600_000, 500)
    assert group.net_share == 0.5


def test_windows_line_ends_and_files_are_read(tmp_path: Path) -> None:
    file = tmp_path / "s.toml"
    file.write_bytes(b'\r\nramp = "5/s"\r\nrampp = 1\r\n')
    with pytest.raises(UsageError, match=r"s\.toml:3: rampp: unknown key"):
        read(str(file))
    file.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="not UTF-8"):
        read(str(file))
    file.write_bytes(b"#" * 300_000)
    with pytest.raises(UsageError, match="larger than 256 KiB"):
        read(str(file))
    with pytest.raises(UsageError, match="No such file"):
        read(str(tmp_path / "none.toml"))


# --- the plan of groups ---------------------------------------------------------------------------


def test_groups_are_in_every_room_with_their_own_media_and_network() -> None:
    bad = Impairment(delay_ms=40.0)
    groups = (
        Group(name="panel", clients=2, codec="h264", layout="all"),
        Group(name="viewers", clients=4, video=False, audio=False, net_down=bad, net_share=0.5),
        Group(name="camera", clients=1, audio=False, subscribes=False),
    )
    options = LoadOptions(groups=groups, rooms=3, seed=5)
    whole = plan(options)
    assert len(whole.bots) == 21
    assert whole.codecs == ("h264", "vp8")
    impaired = [bot for bot in whole.bots if bot.impaired]
    assert len(impaired) == 6  # half of 12
    assert {bot.group.name for bot in impaired if bot.group} == {"viewers"}
    assert {network_of(bot, options) for bot in impaired} == {(None, bad)}
    panel, viewer, camera = (whole.bots[place] for place in (0, 2, 6))
    assert (panel.name, viewer.name, camera.name) == ("panel-1", "viewers-1", "camera-1")
    assert [one.size for one in whole.subscriptions(panel)] == ["large", "large"]
    assert [one.size for one in whole.subscriptions(viewer)] == ["large", "small", "small"]
    assert list(whole.subscriptions(camera)) == []
    # per room: 2 of the panel receive 2 videos and 1 audio, 4 viewers 3 videos and 2 audio tracks
    assert whole.tracks == 3 * (2 * 3 + 4 * 5)
    assert plan_line(whole).startswith(
        "21 clients, 3 rooms, each 2 panel, 4 viewers, 1 camera, H264 and VP8 x3 + Opus; "
    )


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"stages": (Stage(9.0, 5),)}, "the largest stage has 5 clients, and the groups have 6"),
        ({"shape": "pair"}, "groups need a target with rooms"),
    ],
)
def test_groups_that_cannot_be_are_refused(options: dict[str, object], says: str) -> None:
    groups = (Group(name="all", clients=6),)
    with pytest.raises(UsageError, match=says):
        plan(LoadOptions(groups=groups, **options))  # type: ignore[arg-type]
    viewers = (Group(name="all", clients=6, video=False, audio=False),)
    with pytest.raises(UsageError, match="no publisher"):
        plan(LoadOptions(groups=viewers))


def test_the_example_is_a_valid_scenario() -> None:
    found = read(str(EXAMPLE))
    assert [group.name for group in found.groups] == ["panel", "audience", "phones"]
    assert [stage.clients for stage in found.stages] == [6, 10]
