"""Matchers of automatic moderation: keywords and patterns with allowed phrases, mentions, and what looks like spam.

Pure but for the memory of `SpamWatch`. A text is read a few times per rule, in time linear in it and in what it
matches.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Protocol

from ahocorasick_rs import AhoCorasick

from tocsin.service import mentions

MAX_TERM = 60
REPEATS = 4
REPEAT_WINDOW_MS = 20_000
MAX_LINKS = 8
AUTHORS_KEPT = 16_384
_LINK = re.compile(r"https?://", re.IGNORECASE)


class Patterns(Protocol):
    """Compiled regular expressions, as `_core.Patterns`."""

    def find(self, text: str, allowed: Sequence[tuple[int, int]], /) -> tuple[int, int, int] | None: ...  # noqa: D102


Compile = Callable[[Sequence[str]], Patterns]
"""Compiles a rule's regular expressions. Raises `ValueError`."""


def no_patterns(patterns: Sequence[str]) -> Patterns:
    """Compile none: there is no engine for them."""
    raise ValueError("there are no regular expressions on this server")


class Match(NamedTuple):
    """What set a rule off: the keyword as written (None where there is none), and the text that it met."""

    keyword: str | None
    content: str | None


class Term(NamedTuple):
    """A keyword: its text folded, and whether it may begin or end inside a word."""

    text: str
    open_start: bool
    open_end: bool


def term_of(keyword: str) -> Term:
    """Read a keyword: `cat*` begins a word, `*cat` ends one, `*cat*` is anywhere, `cat` is a whole word."""
    core = keyword.strip()
    return Term(fold(core.strip("*")), core.startswith("*"), core.endswith("*"))


def fold(text: str) -> str:
    """Return the text without case, code point for code point, so that places in it stay places in the original."""
    lower = text.lower()
    if len(lower) == len(text):
        return lower
    return "".join(one if len(one := each.lower()) == 1 else each for each in text)


def _inside(text: str, at: int) -> bool:
    """Whether the place between two code points is inside a word."""
    return 0 < at < len(text) and _in_word(text[at - 1]) and _in_word(text[at])


def _in_word(char: str) -> bool:
    return char.isalnum() or char == "_"


class Terms:
    """Keywords to be found in a folded text."""

    def __init__(self, keywords: Sequence[str]) -> None:
        self.keywords = tuple(keywords)
        self._terms = [term_of(each) for each in keywords]
        self._automaton = AhoCorasick([each.text for each in self._terms]) if keywords else None

    def spans(self, folded: str) -> Iterator[tuple[int, int, int]]:
        """Yield start, end and number of each keyword that is there as it is written."""
        if self._automaton is None:
            return
        for index, start, end in self._automaton.find_matches_as_indexes(folded, overlapping=True):
            term = self._terms[index]
            if (term.open_start or not _inside(folded, start)) and (term.open_end or not _inside(folded, end)):
                yield start, end, index


class Keywords:
    """A keyword rule's matcher. A match that lies within an allowed phrase does not count.

    Args:
        keywords: the rule's own.
        allowed: phrases.
        patterns: regular expressions, matched as they are, with case.
        lists: keywords that rules share.
        compile_patterns: makes the patterns ready.

    Raises:
        ValueError: a pattern is wrong.
    """

    def __init__(
        self,
        keywords: Sequence[str],
        allowed: Sequence[str] = (),
        patterns: Sequence[str] = (),
        lists: Sequence[Terms] = (),
        compile_patterns: Compile = no_patterns,
    ) -> None:
        self._lists = [Terms(keywords), *lists]
        self._allowed = Terms(allowed)
        self._written = tuple(patterns)
        self._patterns = compile_patterns(patterns) if patterns else None

    @property
    def slow(self) -> bool:
        """Whether some text may take milliseconds."""
        return self._patterns is not None

    def match(self, content: str) -> Match | None:
        """Return the first match of a keyword, the longest of those that begin there, else of a pattern, or None."""
        folded = fold(content)
        found = [
            (start, -end, number, index)
            for number, terms in enumerate(self._lists)
            for start, end, index in terms.spans(folded)
        ]
        if not found and self._patterns is None:
            return None
        spans = _maximal([(start, end) for start, end, _ in self._allowed.spans(folded)])
        for start, minus_end, number, index in sorted(found):
            if not _within(spans, start, -minus_end):
                return Match(self._lists[number].keywords[index], content[start:-minus_end])
        met = self._patterns.find(content, spans) if self._patterns is not None else None
        return None if met is None else Match(self._written[met[0]], content[met[1] : met[2]])


def _maximal(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return those spans that lie in no other, by rising start and end."""
    kept: list[tuple[int, int]] = []
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        if not kept or end > kept[-1][1]:
            kept.append((start, end))
    return kept


def _within(spans: list[tuple[int, int]], start: int, end: int) -> bool:
    """Whether a span lies in one of the maximal ones."""
    at = bisect_right(spans, start, key=lambda span: span[0]) - 1
    return at >= 0 and end <= spans[at][1]


class Mentions:
    """A mention rule's matcher: more different users and roles than the limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit

    def match(self, content: str) -> Match | None:
        """Return a match without a keyword, or None."""
        found = mentions.scan(content)
        return Match(None, None) if len(found.users) + len(found.roles) > self._limit else None


class SpamWatch:
    """What looks like spam: many links in a message, or the same text again and again.

    Remembers the latest texts of `AUTHORS_KEPT` authors, by hash.
    """

    def __init__(self) -> None:
        self._latest: OrderedDict[tuple[int, int], deque[tuple[int, int]]] = OrderedDict()

    def match(self, guild_id: int, user_id: int, content: str, now_ms: int) -> Match | None:
        """Take a message in; return a match for too many links, or the text's `REPEATS`-th time in the window."""
        text = hash(" ".join(fold(content).split()))
        key = (guild_id, user_id)
        latest = self._latest.setdefault(key, deque(maxlen=REPEATS * 2))
        self._latest.move_to_end(key)
        if len(self._latest) > AUTHORS_KEPT:
            self._latest.popitem(last=False)
        latest.append((now_ms, text))
        again = sum(each == text and now_ms - at <= REPEAT_WINDOW_MS for at, each in latest)
        links = sum(1 for _ in _LINK.finditer(content))
        return Match(None, None) if again >= REPEATS or links > MAX_LINKS else None
