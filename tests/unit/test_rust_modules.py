"""No two modules of a Rust crate use each other, however far around."""

import re
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

CRATES = Path(__file__).parents[2] / "crates"
TESTS = re.compile(r"#\[cfg\(test\)\]\s*mod tests\b.*", re.DOTALL)
COMMENT = re.compile(r"//[^\n]*")
USE = re.compile(r"\buse\s+((?:crate|super)\b[^;]*);|\b(crate(?:::\w+)+)")

Uses = Mapping[str, set[str]]


def modules(crate: Path) -> dict[str, str]:
    """Read the code of each module, without comments and tests, under its path in the crate."""
    found = {}
    for file in (crate / "src").rglob("*.rs"):
        parts = file.relative_to(crate / "src").with_suffix("").parts
        name = "::".join(part for part in parts if part not in ("mod", "lib", "main"))
        found[name] = COMMENT.sub("", TESTS.sub("", file.read_text()))
    return found


def spread(path: str) -> Iterator[str]:
    """Spell out ``a::{b, c::{d, e}}``."""
    head, brace, rest = path.partition("{")
    if not brace:
        yield path.partition(" as ")[0].strip()
        return
    depth, part = 0, ""
    for letter in rest:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if depth < 0 or (letter == "," and depth == 0):
            if part.strip():
                yield from spread(head + part.strip())
            part = ""
        else:
            part += letter


def uses(code: Mapping[str, str]) -> Uses:
    """Return the modules that each module names; the root of the crate is above all."""
    named: dict[str, set[str]] = {name: set() for name in code}
    for name, text in code.items():
        for match in USE.finditer(text):
            for path in spread(match[1] or match[2]):
                target = known(absolute(path.split("::"), name), code)
                if target not in ("", name):
                    named[name].add(target)
    return named


def absolute(path: list[str], name: str) -> list[str]:
    above = name.split("::")
    while path[0] == "super":
        path, above = path[1:], above[:-1]
        if path[:1] != ["super"]:
            return above + path
    return path[1:]


def known(path: list[str], code: Mapping[str, str]) -> str:
    while path and "::".join(path) not in code:
        path = path[:-1]
    return "::".join(path)


def circle(named: Uses) -> list[str]:
    try:
        TopologicalSorter(named).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.parametrize("crate", ["wire", "rtc", "sfu", "swarm", "native"])
def test_no_two_modules_use_each_other(crate: str) -> None:
    named = uses(modules(CRATES / crate))
    assert any(named.values())
    assert circle(named) == []


def test_a_circle_is_found() -> None:
    code = {
        "": "mod a; mod b;",
        "a": "use crate::b::{self, c::{D, E as F}};",
        "b": "fn f() {}",
        "b::c": "use super::super::d::X;",
        "d": "fn g() { crate::a::h() }",
    }
    assert uses(code) == {"": set(), "a": {"b", "b::c"}, "b": set(), "b::c": {"d"}, "d": {"a"}}
    assert sorted(set(circle(uses(code)))) == ["a", "b::c", "d"]
