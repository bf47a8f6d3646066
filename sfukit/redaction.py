"""Redaction of secrets in printed and saved text: URLs, command lines, tokens.

Reports are saved and shared; a URL may carry a token in its query (RFC 6750 section 2.3),
or a password before its host (RFC 3986 section 3.2.1).
"""

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from urllib.parse import unquote_plus

HIDDEN = "***"

_SECRET_NAME = re.compile(
    r"token|jwt|secret|passw|passphrase|pwd|^pass$|credential|auth|bearer|signature|^sig$|^pin$"
    r"|session|key$|^code$",
    re.IGNORECASE,
)
_PARAMETER = re.compile(r"([?&;#])([^\s?&;#=\"'<>]{1,200})=([^\s&;#\"'<>]+)")
# A password with one of "/?#" ends the authority early and is hidden all the same. The length is
# bounded, since texts come from servers and files.
_USERINFO = re.compile(
    r"(//)(?:[^\s/?#\"'<>]*|[^\s/?#@:\[\"'<>]{0,200}:(?!\d*(?:[/?#]|$))[^\s\"'<>]{0,200})@"
    r"|\b((?:turn|stun)s?:)[^\s/?#\"'<>@]{0,200}@"
    r"|(?<![^\s\"'(<>=])()[^\s/?#\"'<>@:=]{1,200}:[^\s/?#\"'<>@]{1,200}@(?=[\w\[])",
    re.IGNORECASE,
)
_JWT = re.compile(r"(?<![\w-])eyJ[\w-]{5,}\.[\w-]+\.[\w-]*")  # RFC 7519: "eyJ" begins '{"'
_JSON_STRING = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"')

_SECRET_OPTIONS = frozenset(
    (
        *("--token", "--api-secret", "--password", "--secret", "--peer-token"),
        *("--turn-password", "--turn-secret"),
    )
)
_COMMAND_OPTIONS = frozenset(("--server-args",))  # whose value is a command line
_HEADER = "--header"


def redacted(text: str) -> str:
    """Hide userinfo, secret parameters of URLs, and JSON Web Tokens in a text."""
    text = _USERINFO.sub(lambda found: f"{found[1] or found[2] or ''}{HIDDEN}@", text)
    text = _PARAMETER.sub(_parameter, text)
    return _JWT.sub(HIDDEN, text)


def redacted_json(text: str) -> str:
    """Hide secrets in each string of a JSON text."""
    return _JSON_STRING.sub(_json_string, text)


def command_line(arguments: Sequence[str]) -> str:
    """Return a command quoted for a shell, with the values of secret options hidden."""
    return shlex.join(_arguments(arguments))


def _arguments(arguments: Sequence[str]) -> Iterator[str]:
    option = ""  # whose value is the next argument
    for argument in arguments:
        if option:
            yield _value(option, argument)
            option = ""
            continue
        name, equals, value = argument.partition("=")
        if name not in {*_SECRET_OPTIONS, *_COMMAND_OPTIONS, _HEADER}:
            yield redacted(argument)
        elif equals:
            yield f"{name}={_value(name, value)}"
        else:
            option = name
            yield name


def _value(option: str, value: str) -> str:
    """Hide a value, but not the name of a secret file (``@FILE``)."""
    if option in _COMMAND_OPTIONS:
        return command_line(_split(value))
    if option == _HEADER:
        name, colon, _ = value.partition(":")
        return f"{name}: {HIDDEN}" if colon else HIDDEN
    return value if value.startswith("@") else HIDDEN


def _split(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # an unterminated quotation
        return [HIDDEN]


def _parameter(found: re.Match[str]) -> str:
    if not _SECRET_NAME.search(unquote_plus(found[2])):
        return found[0]
    return f"{found[1]}{found[2]}={HIDDEN}"


def _json_string(found: re.Match[str]) -> str:
    text = found[0]
    if not ("@" in text or "=" in text or "eyJ" in text or "\\u" in text):
        return text
    try:
        plain = json.loads(text)
    except ValueError:  # an unescaped control character
        return redacted(text)
    hidden = redacted(plain)
    return text if hidden == plain else json.dumps(hidden)
