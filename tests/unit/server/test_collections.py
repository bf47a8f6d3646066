"""Pauses for garbage collection stay short, and cycles are freed nevertheless."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from sfukit.server.memory import ShortCollections


class Cycle:
    """An object that refers to itself."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture
def collections() -> Iterator[ShortCollections]:
    before = gc.get_threshold()
    collections = ShortCollections()
    collections.start()
    yield collections
    collections.stop()
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_survivors_are_visited_once(collections: ShortCollections) -> None:
    kept = [[number] for number in range(1_000)]
    gc.collect(1)
    assert gc.get_objects(generation=2) == []
    assert len(kept) == 1_000


def test_frozen_cycles_of_ended_participants_are_freed(collections: ShortCollections) -> None:
    cycle = weakref.ref(Cycle())
    gc.collect(0)
    again = Cycle()
    frozen = weakref.ref(again)
    gc.collect(1)
    del again
    gc.collect()
    assert cycle() is None
    assert frozen() is not None
    collections.check(ended=2_000, present=0)
    assert frozen() is not None  # too few to pause for
    collections.check(ended=2_001, present=0)
    assert frozen() is None


def test_a_full_collection_waits_for_as_many_as_are_present(
    collections: ShortCollections,
) -> None:
    again = Cycle()
    frozen = weakref.ref(again)
    gc.collect(1)
    del again
    collections.check(ended=5_000, present=5_000)
    assert frozen() is not None
    collections.check(ended=5_001, present=5_000)
    assert frozen() is None


def test_without_start_nothing_is_frozen() -> None:
    collections = ShortCollections()
    collections.check(ended=9_999, present=0)
    collections.stop()
    assert gc.get_freeze_count() == 0
