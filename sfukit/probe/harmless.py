"""Text of strangers, made fit to be shown."""


def harmless(text: str, most: int = 400) -> str:
    """Put ? for what is not printable, which could move a terminal's cursor; cut after ``most``."""
    return "".join(letter if letter.isprintable() else "?" for letter in text[:most])
