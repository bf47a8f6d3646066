"""The examples under a command's help."""


def examples(*commands: str) -> str:
    """Write one line for each; a paragraph after ``\\b`` is not filled."""
    return "\n".join(["\b", "Examples:", *(f"  {command}" for command in commands)])
