"""ReadThrough is exact: nothing read before a drop is seen after it."""

from __future__ import annotations

import asyncio

import pytest

from tocsin.service.cache import ReadThrough


class Source:
    """A slow truth: a read takes the value when it begins and returns it when let go."""

    def __init__(self) -> None:
        self.values: dict[int, str] = {}
        self.reads = 0
        self.begun: asyncio.Queue[asyncio.Event] = asyncio.Queue()

    async def load(self, key: int) -> str | None:
        self.reads += 1
        value = self.values.get(key)
        gate = asyncio.Event()
        self.begun.put_nowait(gate)
        await gate.wait()
        return value

    async def let_go(self) -> None:
        """Let the next read return, as soon as it has begun."""
        (await self.begun.get()).set()


@pytest.fixture
def source() -> Source:
    return Source()


async def test_many_readers_share_one_read(source: Source) -> None:
    cache = ReadThrough(10, source.load)
    source.values[1] = "a"
    readers = [asyncio.ensure_future(cache.get(1)) for _ in range(5)]
    await source.let_go()
    assert await asyncio.gather(*readers) == ["a"] * 5
    assert source.reads == 1
    assert await cache.get(1) == "a"
    assert source.reads == 1


async def test_a_change_during_a_read_makes_it_read_again(source: Source) -> None:
    cache = ReadThrough(10, source.load)
    source.values[1] = "old"
    early = asyncio.ensure_future(cache.get(1))
    gate = await source.begun.get()
    source.values[1] = "new"
    cache.drop(1)
    late = asyncio.ensure_future(cache.get(1))
    gate.set()
    await source.let_go()
    assert await late == "new"
    assert await early == "new"
    assert cache.peek(1) == "new"


async def test_an_unknown_key_is_asked_for_again(source: Source) -> None:
    cache = ReadThrough(10, source.load)
    first = asyncio.ensure_future(cache.get(1))
    await source.let_go()
    assert await first is None
    source.values[1] = "made"
    second = asyncio.ensure_future(cache.get(1))
    await source.let_go()
    assert await second == "made"


async def test_the_least_recently_used_goes_first(source: Source) -> None:
    cache = ReadThrough(2, source.load)
    cache.put(1, "a")
    cache.put(2, "b")
    assert cache.peek(1) == "a"
    cache.put(3, "c")
    assert (cache.peek(1), cache.peek(2), cache.peek(3)) == ("a", None, "c")
    cache.drop_where(lambda key, _: key == 1)
    assert (cache.peek(1), len(cache)) == (None, 1)


async def test_a_reader_that_gives_up_does_not_take_the_others_along(source: Source) -> None:
    cache = ReadThrough(10, source.load)
    source.values[1] = "a"
    first, second = asyncio.ensure_future(cache.get(1)), asyncio.ensure_future(cache.get(1))
    gate = await source.begun.get()
    first.cancel()
    gate.set()
    assert await second == "a"


async def test_a_failed_read_is_not_remembered() -> None:
    outcomes = [OSError("gone"), None]

    async def load(_: int) -> str | None:
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome
        return "back"

    cache: ReadThrough[int, str] = ReadThrough(10, load)
    with pytest.raises(OSError, match="gone"):
        await cache.get(1)
    assert await cache.get(1) == "back"
