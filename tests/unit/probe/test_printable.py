"""Untrusted text cannot move a terminal's cursor."""

from sfukit.probe.environment import certificate
from sfukit.probe.printable import printable
from tests.unit.probe.test_environment import element, name


def test_a_non_printable_character_becomes_a_question_mark() -> None:
    assert printable("Ärger\x1b[2J\r\n\u202e") == "Ärger?[2J???"
    assert printable("a" * 500, 80) == "a" * 80


def test_the_issuer_of_a_certificate_is_printable() -> None:
    body = (element(0x02, b"\1"), element(0x30), name(O="Corp\x1b[2J", CN="CA\r\n"))
    der = element(0x30, element(0x30, *body))
    assert certificate.issuer(der) == "Corp?[2J, CA??"
