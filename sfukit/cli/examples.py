"""The examples under a command's help."""


def examples(*commands: str) -> str:
    """Return one line per command; a paragraph after ``\\b`` is not filled."""
    return "\n".join(["\b", "Examples:", *(f"  {command}" for command in commands)])
