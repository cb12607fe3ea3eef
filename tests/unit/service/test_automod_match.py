"""Keywords, mentions and spam as automatic moderation sees them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin._core import Patterns
from tocsin.service.automod_match import (
    AUTHORS_KEPT,
    MAX_LINKS,
    REPEAT_WINDOW_MS,
    REPEATS,
    Keywords,
    Match,
    Mentions,
    SpamWatch,
    fold,
    term_of,
)


@pytest.mark.parametrize(
    ("keyword", "content", "matched"),
    [
        ("cat", "a CAT sat", "CAT"),
        ("cat", "category", None),
        ("cat", "bobcat", None),
        ("cat", "cat_food", None),
        ("cat", "(cat)!", "cat"),
        ("cat*", "Category", "Cat"),
        ("cat*", "bobcat", None),
        ("*cat", "bobcat", "cat"),
        ("*cat", "category", None),
        ("*cat*", "education", "cat"),
        ("the matrix", "have you seen The Matrix?", "The Matrix"),
        ("the matrix", "the matrixes", None),
        ("größe", "die GRÖSSE", None),
        ("größe", "die GRÖẞE", "GRÖẞE"),
        ("größe", "die GRÖßE", "GRÖßE"),
        ("日本", "日本", "日本"),
        ("$$", "a $$ b", "$$"),
    ],
)
def test_a_keyword_meets_whole_words_unless_a_star_opens_it(keyword: str, content: str, matched: str | None) -> None:
    found = Keywords([keyword]).match(content)
    assert found == (None if matched is None else Match(keyword, matched))


def test_a_pattern_matches_with_case_and_its_place_is_in_code_points() -> None:
    matcher = Keywords((), patterns=["b+", "é"], compile_patterns=Patterns)
    assert matcher.match("xébbb") == Match("é", "é")
    assert matcher.match("xBb") == Match("b+", "b")
    assert matcher.match("BB") is None
    assert Keywords(["word"], patterns=["x"], compile_patterns=Patterns).match("x word") == Match("word", "word")


def test_a_pattern_finds_the_first_match_beside_what_is_allowed() -> None:
    matcher = Keywords((), ["one two", "é three"], patterns=["t[a-z]+"], compile_patterns=Patterns)
    assert matcher.match("é one two") is None
    assert matcher.match("é three one two ten") == Match("t[a-z]+", "ten")


def test_patterns_that_are_wrong_or_too_large_are_refused() -> None:
    for patterns in (["("], ["(?=a)"], [r"(a)\1"], [r"\w{200}"]):
        with pytest.raises(ValueError, match=r"regex|Compiled"):
            Keywords((), patterns=patterns, compile_patterns=Patterns)


@given(st.text("ab c", max_size=30), st.sampled_from(["a", "b c", "(a|b)+", "^a", "c$", "[ab]{2}"]))
def test_patterns_find_what_python_finds(content: str, pattern: str) -> None:
    found = re.search(pattern, content)
    matcher = Keywords((), patterns=[pattern], compile_patterns=Patterns)
    assert matcher.match(content) == (None if found is None else Match(pattern, found[0]))


def test_the_first_match_counts_and_of_those_the_longest() -> None:
    assert Keywords(["b", "a", "a b"]).match("x a b") == Match("a b", "a b")


def test_a_match_within_an_allowed_phrase_does_not_count_but_another_beside_it_does() -> None:
    matcher = Keywords(["*ass*"], ["class", "assess*"])
    assert matcher.match("my class assessed it") is None
    assert matcher.match("my class, you ass") == Match("*ass*", "ass")
    assert matcher.match("classes") == Match("*ass*", "ass")


def test_places_stay_right_where_lower_case_is_longer() -> None:
    assert len("İ".lower()) == 2
    assert Keywords(["cat"]).match("İİ cat") == Match("cat", "cat")
    assert fold("İA") == "İa"


@given(
    st.lists(st.text("ab *", min_size=1, max_size=4).filter(lambda each: term_of(each).text != ""), max_size=6),
    st.lists(st.text("ab *", min_size=1, max_size=5).filter(lambda each: term_of(each).text != ""), max_size=3),
    st.text("ab AB", max_size=20),
)
def test_what_matches_is_what_a_plain_search_finds(keywords: list[str], allowed: list[str], content: str) -> None:
    def spans(keyword: str) -> list[tuple[int, int]]:
        term, text = term_of(keyword), fold(content)
        ends = [at for at in range(len(text)) if text.startswith(term.text, at)]
        found = [(at, at + len(term.text)) for at in ends]
        return [
            (start, end)
            for start, end in found
            if (term.open_start or not text[start - 1 : start].isalnum() or not text[start].isalnum())
            and (term.open_end or not text[end : end + 1].isalnum() or not text[end - 1].isalnum())
        ]

    excused = [span for each in allowed for span in spans(each)]
    hits = [
        (start, -end, index)
        for index, each in enumerate(keywords)
        for start, end in spans(each)
        if not any(first <= start and end <= last for first, last in excused)
    ]
    expected = None
    if hits:
        start, end, index = min(hits)
        expected = Match(keywords[index], content[start:-end])
    assert Keywords(keywords, allowed).match(content) == expected


def test_more_mentions_than_the_limit_are_too_many_and_each_counts_once() -> None:
    matcher = Mentions(2)
    assert matcher.match("<@1> <@1> <@!1> <@&5> @everyone") is None
    assert matcher.match("<@1> <@2> <@&5>") == Match(None, None)


def test_the_same_text_again_and_again_is_spam_and_from_another_or_later_is_not() -> None:
    watch = SpamWatch()
    said = [watch.match(1, 7, text, 1000 * n) for n, text in enumerate(["Buy now", "buy  NOW", "buy now", "buy now "])]
    assert said == [None] * (REPEATS - 1) + [Match(None, None)]
    assert watch.match(1, 8, "buy now", 4000) is None
    assert watch.match(2, 7, "buy now", 4000) is None
    assert watch.match(1, 7, "buy now", 4000 + REPEAT_WINDOW_MS) is None


def test_many_links_in_one_message_are_spam() -> None:
    watch = SpamWatch()
    assert watch.match(1, 7, "https://a.b " * MAX_LINKS, 0) is None
    assert watch.match(1, 7, "HTTPS://a.b " * (MAX_LINKS + 1), 0) == Match(None, None)


def test_the_watch_forgets_the_authors_it_heard_from_the_longest_ago() -> None:
    watch = SpamWatch()
    for user_id in range(AUTHORS_KEPT + 10):
        watch.match(1, user_id, "hello", 0)
    assert len(watch._latest) == AUTHORS_KEPT
