"""Untrusted text for terminals and reports."""


def printable(text: str, most: int = 400) -> str:
    """Replace non-printable characters (control sequences) by ?; truncate after ``most``."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:most])
