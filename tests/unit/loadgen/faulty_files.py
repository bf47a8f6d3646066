"""What a file with a fault is refused with: file, line, key and the allowed values."""

from collections.abc import Callable

import pytest

from sfukit.errors import UsageError


def check_refusal(read: Callable[[], object], says: str, remedy: str) -> None:
    """Check that reading a file is refused, with this part of the error and of its hint."""
    with pytest.raises(UsageError) as refused:
        read()
    assert says in refused.value.what
    assert remedy in (refused.value.hint or "")
