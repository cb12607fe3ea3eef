"""Windows over several processes: what each lets in before it hears of the others, and when it counts alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from tests.support.virtual_time import VirtualLoop, run_virtually
from tocsin.model.windows import Answer, Report
from tocsin.service.windows import PAUSE_S, SharedWindows
from tocsin_api.ratelimit import Windows

WINDOW_MS = 60_000
PAUSE_MS = int(PAUSE_S * 1000)


class Book:
    """Redis, as `bus/windows.py` uses it."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.loop = loop
        self.away = False
        self.asked = 0
        self.held: dict[str, tuple[int, dict[str, int]]] = {}

    def take(self, name: str, report: Report) -> Answer:
        now = self.loop.ms()
        ends, counts = self.held.get(report.key, (0, {}))
        if ends <= now:
            ends, counts = report.agreed_ms or now - report.age_ms + report.window_ms, {}
            if ends <= now:
                return Answer(0, 0, 0)
            self.held[report.key] = ends, counts
            counts[name] = report.own
        elif report.agreed_ms in (0, ends):
            counts[name] = report.own
        return Answer(sum(counts.values()), ends - now, ends)


class Way:
    """A process's way to the book, `there_ms` long and as long back."""

    def __init__(self, book: Book, name: str, there_ms: int) -> None:
        self._book = book
        self._name = name
        self._there_s = there_ms / 1000

    async def tell(self, reports: Sequence[Report]) -> Sequence[Answer] | None:
        self._book.asked += 1
        if self._book.away:
            return None
        await asyncio.sleep(self._there_s)
        answers = [self._book.take(self._name, report) for report in reports]
        await asyncio.sleep(self._there_s)
        return answers


def process(book: Book, name: str, limit: int, there_ms: int = 1) -> tuple[Windows, SharedWindows]:
    shared = SharedWindows(Way(book, name, there_ms), book.loop.ms)
    return Windows(limit, WINDOW_MS, "w", shared), shared


arrivals = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 3)), min_size=1, max_size=80)


@given(arrivals, st.integers(1, 12), st.integers(0, 20))
def test_a_process_lets_in_no_more_than_what_came_to_it_before_it_heard(
    arrivals: list[tuple[int, int]], limit: int, there_ms: int
) -> None:
    loop = VirtualLoop()
    let_in: list[tuple[int, int]] = []

    async def scene() -> None:
        book = Book(loop)
        nodes = [process(book, str(number), limit, there_ms)[0] for number in range(4)]
        began = loop.ms()
        for at, number in sorted(arrivals):
            await asyncio.sleep((began + at - loop.ms()) / 1000)
            if not nodes[number].hit("ada", loop.ms()).retry_after_ms:
                let_in.append((loop.ms() - began, number))
        await asyncio.sleep(1)

    run_virtually(scene(), loop)
    unheard = PAUSE_MS + 4 * there_ms + 1  # an answer under way, the pause, and an answer
    for number in range(4):
        own = [at for at, who in let_in if who == number]
        assert len(own) <= limit
        late = [at for at, who in let_in[limit:] if who == number]
        reached = let_in[limit - 1][0] if len(let_in) >= limit else 0
        # What came before the others had told, and what then came before this one had asked.
        after = [at for at in late if at > reached + unheard]
        assert not after or after[-1] - after[0] <= unheard
    assert len(let_in) >= min(limit, len(arrivals))


def test_what_others_counted_is_known_after_the_first_request() -> None:
    loop = VirtualLoop()

    async def scene() -> None:
        book = Book(loop)
        (here, _), (there, shared) = process(book, "a", 5), process(book, "b", 5)
        for left in (4, 3, 2):
            assert here.hit("ada", loop.ms()).remaining == left
        await asyncio.sleep(0.1)
        assert there.hit("ada", loop.ms()).remaining == 4
        await asyncio.sleep(0.1)
        last = there.hit("ada", loop.ms())
        assert (last.remaining, last.retry_after_ms) == (0, 0)
        refused = there.hit("ada", loop.ms())
        assert refused.retry_after_ms == refused.reset_ms - loop.ms()
        assert there.hit("carl", loop.ms()).remaining == 4
        await asyncio.sleep(0.1)
        assert "tocsin_rate_limit_windows_told_total 3" in shared.text()

    run_virtually(scene(), loop)


def test_a_window_ends_at_all_when_it_ends_in_redis() -> None:
    loop = VirtualLoop()

    async def scene() -> None:
        book = Book(loop)
        here, there = process(book, "a", 5)[0], process(book, "b", 5, 10)[0]
        first = here.hit("ada", loop.ms()).reset_ms
        await asyncio.sleep(20)
        there.hit("ada", loop.ms())
        await asyncio.sleep(0.1)
        ends = [each.hit("ada", loop.ms()).reset_ms for each in (here, there)]
        # Late by the first report's way and an answer's way back, never early.
        assert first <= ends[0] <= first + 2
        assert first <= ends[1] <= first + 11
        await asyncio.sleep((ends[1] - loop.ms()) / 1000)
        assert here.hit("ada", loop.ms()).remaining == there.hit("ada", loop.ms()).remaining == 4

    run_virtually(scene(), loop)


def test_nothing_is_asked_while_nothing_is_counted() -> None:
    loop = VirtualLoop()

    async def scene() -> None:
        book = Book(loop)
        here, _ = process(book, "a", 5)
        for _ in range(8):
            here.hit("ada", loop.ms())
        await asyncio.sleep(50)
        assert book.asked == 1  # those that are refused are not told either

    run_virtually(scene(), loop)


def test_each_counts_alone_while_redis_is_away_and_tells_when_it_is_back() -> None:
    loop = VirtualLoop()

    async def scene() -> None:
        book = Book(loop)
        book.away = True
        (here, shared), (there, _) = process(book, "a", 3), process(book, "b", 3)
        for left in (2, 1):
            assert here.hit("ada", loop.ms()).remaining == there.hit("ada", loop.ms()).remaining == left
        await asyncio.sleep(0.1)
        assert "tocsin_rate_limit_alone 1" in shared.text()
        book.away = False
        await asyncio.sleep(3)
        assert "tocsin_rate_limit_alone 0" in shared.text()
        assert "tocsin_rate_limit_unshared_requests_total 0" in shared.text()
        assert there.hit("ada", loop.ms()).retry_after_ms
        # Away for a whole window.
        book.away = True
        here.hit("carl", loop.ms())
        await asyncio.sleep(WINDOW_MS / 1000 + 2)
        assert "tocsin_rate_limit_unshared_requests_total 1" in shared.text()

    run_virtually(scene(), loop)


def test_a_redis_that_lost_all_is_told_all_again_and_the_window_stays() -> None:
    loop = VirtualLoop()

    async def scene() -> None:
        book = Book(loop)
        here, there = process(book, "a", 6)[0], process(book, "b", 6)[0]
        for each in (here, there):
            each.hit("ada", loop.ms())
            each.hit("ada", loop.ms())
        await asyncio.sleep(10)
        end = here.hit("ada", loop.ms()).reset_ms
        await asyncio.sleep(1)
        book.held.clear()
        there.hit("ada", loop.ms())
        await asyncio.sleep(1)
        last = here.hit("ada", loop.ms())
        assert last.remaining == 0
        assert abs(last.reset_ms - end) <= 1
        await asyncio.sleep(1)
        ((_, counts),) = book.held.values()
        assert counts == {"a": 4, "b": 3}

    run_virtually(scene(), loop)


def test_what_was_counted_as_a_window_ended_elsewhere_counts_in_the_next() -> None:
    loop = VirtualLoop()

    async def scene() -> None:
        book = Book(loop)
        here, there = process(book, "a", 5)[0], process(book, "b", 5)[0]
        here.hit("ada", loop.ms())
        await asyncio.sleep(1)
        ((key, _),) = book.held.items()
        book.held[key] = (loop.ms() + 30_000, {"c": 2})
        here.hit("ada", loop.ms())
        await asyncio.sleep(1)
        assert book.held[key][1] == {"c": 2, "a": 1}
        assert here.hit("ada", loop.ms()).remaining == 1
        there.hit("ada", loop.ms())
        await asyncio.sleep(1)
        ends = {each.hit("ada", loop.ms()).reset_ms for each in (here, there)}
        assert max(ends) - min(ends) <= 1

    run_virtually(scene(), loop)
