"""What is hidden of URLs, tokens and command lines, and what is left."""

import json
import time

import pytest

from sfukit import redaction

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbm4ifQ.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://h/whip?access_token=abc", "https://h/whip?access_token=***"),
        ("https://h/whip?room=a&jwt=abc&b=1", "https://h/whip?room=a&jwt=***&b=1"),
        ("ws://h/janus?room=7&pin=42&admin_key=k", "ws://h/janus?room=7&pin=***&admin_key=***"),
        ("https://h/whip?Token=abc;x=1", "https://h/whip?Token=***;x=1"),
        ("https://h/whip#id_token=abc", "https://h/whip#id_token=***"),
        ("https://h/whip?acc%65ss_tok%65n=abc", "https://h/whip?acc%65ss_tok%65n=***"),
        (
            "https://h/?X-Amz-Signature=0f&api_key=k&pwd=p",
            "https://h/?X-Amz-Signature=***&api_key=***&pwd=***",
        ),
        ("redirected to https://h/a?token=a=b, twice", "redirected to https://h/a?token=*** twice"),
        ("http://ann:secret@h:80/whip", "http://***@h:80/whip"),
        ("whip+http://ann@h/whip", "whip+http://***@h/whip"),
        ("target 'http://ann:se/cr?et@h/whip': no", "target 'http://***@h/whip': no"),
        ("target 'ann:secret@h/whip': this is no URL", "target '***@h/whip': this is no URL"),
        ("turn:ann:secret@192.0.2.1:3478?transport=udp", "turn:***@192.0.2.1:3478?transport=udp"),
        ("turns:ann@h", "turns:***@h"),
        (f"https://h/whip/{JWT}/live", "https://h/whip/***/live"),
        (f"401: the token {JWT} has expired", "401: the token *** has expired"),
    ],
)
def test_secrets_are_hidden(text: str, shown: str) -> None:
    assert redaction.redacted(text) == shown
    assert redaction.redacted(shown) == shown
    document = json.dumps({"target": text, "é": [text]}, indent=2)
    assert json.loads(redaction.redacted_json(document)) == {"target": shown, "é": [shown]}


@pytest.mark.parametrize(
    "text",
    [
        "https://h:8443/whip/room?transport=tcp&room=a#top",
        "http://h:8080/@ann/live?mail=ann@example.org",
        "http://[2001:db8::1]:80/whip/a@b",
        "give --token, or --api-key and --api-secret",
        "9:30 mail ann@example.org",
        "token=3 of 4; keyframes=2",
        "timings_ms.ice<500",
        "candidate:1 1 udp 2130706431 192.0.2.1 50000 typ host",
        "eyJ.is.none",
    ],
)
def test_the_rest_stays(text: str) -> None:
    assert redaction.redacted(text) == text
    document = json.dumps([text], ensure_ascii=False)
    assert redaction.redacted_json(document) == document


def test_an_escaped_string_hides_nothing_from_it() -> None:
    document = r'["https:\/\/h\u003ftoken\u003dabc", "\"?jwt=a\"b", 1e400]'
    hidden = redaction.redacted_json(document)
    assert "abc" not in hidden
    assert hidden.startswith('["https://h?token=***", ')
    assert hidden.endswith(", 1e400]")


@pytest.mark.parametrize(
    "piece",
    ["//a:b", "//", "(", "(a:", "?a", "?a=", "eyJ", "a.eyJaaaaa.", "turn:", "a:", '"', "\\"],
)
def test_a_text_that_repeats_itself_takes_time_by_its_length(piece: str) -> None:
    text = piece * (200_000 // len(piece))
    began_s = time.process_time()
    redaction.redacted(text)
    redaction.redacted_json(text)
    assert time.process_time() - began_s < 10  # the square of the length would take minutes


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["--token", "abc", "-c", "3"], "--token '***' -c 3"),
        (["--token=abc"], "'--token=***'"),
        (["--token", "@token.txt"], "--token @token.txt"),
        (["--api-key", "key", "--api-secret", "abc"], "--api-key key --api-secret '***'"),
        (["--user", "ann", "--password=abc"], "--user ann '--password=***'"),
        (["--secret", "--abc"], "--secret '***'"),
        (["--header", "Authorization: Basic abc"], "--header 'Authorization: ***'"),
        (["--header=abc"], "'--header=***'"),
        (["--play", "https://h/whep?token=abc"], "--play 'https://h/whep?token=***'"),
        (["http://ann:abc@h/whip"], "'http://***@h/whip'"),
        (["--token"], "--token"),
    ],
)
def test_commands_are_written_without_values_that_are_secret(
    arguments: list[str], shown: str
) -> None:
    assert redaction.command_line(["sfukit", "loadtest", *arguments]) == f"sfukit loadtest {shown}"


@pytest.mark.parametrize("inner", ["--api-secret abc --bwe none", "--api-secret 'abc"])
def test_a_command_line_within_one_is_read_too(inner: str) -> None:
    assert "abc" not in redaction.command_line(["sfukit", "--server-args", inner])
