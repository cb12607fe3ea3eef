"""Parts of presences: what is held does not depend on the order or the number of times that it came."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tocsin.gateway.parts import GuildParts, Part
from tocsin.model.presence import SessionPresence

NODES = ("a", "b", "c")


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, Part]]:
    """What nodes say of three users, each with rising versions."""
    said = []
    for node in NODES:
        for version in range(1, draw(st.integers(0, 6)) + 1):
            statuses = draw(st.lists(st.sampled_from(["online", "idle", "dnd", "invisible"]), max_size=2))
            sessions = tuple(SessionPresence(status=each, order=version) for each in statuses)
            said.append((node, Part(user=draw(st.integers(1, 3)), version=version, sessions=sessions)))
    return said


def held(parts: GuildParts) -> dict[int, list[Part]]:
    return {user_id: found for user_id in (1, 2, 3) if (found := parts.of(user_id))}


@given(histories(), st.randoms(use_true_random=False))
def test_any_order_and_any_repetition_end_alike(said: list[tuple[str, Part]], chance: object) -> None:
    straight, shuffled = GuildParts(), GuildParts()
    for node, part in said:
        straight.take(node, part)
    others = [*said, *said[::2]]
    chance.shuffle(others)  # type: ignore[attr-defined]
    for node, part in others:
        shuffled.take(node, part)
    assert held(straight) == held(shuffled)


@given(histories())
def test_all_that_a_node_has_replaces_what_is_older_and_nothing_newer(said: list[tuple[str, Part]]) -> None:
    parts = GuildParts()
    for node, part in said:
        parts.take(node, part)
    before = held(parts)
    newest = max((part.version for node, part in said if node == "a"), default=0)
    assert parts.replace("a", 0, []) == set()
    assert held(parts) == before
    gone = parts.replace("a", newest + 1, [])
    assert gone == {part.user for node, part in said if node == "a"}
    others = GuildParts()
    for node, part in said:
        if node != "a":
            others.take(node, part)
    assert held(parts) == held(others)


def test_what_comes_late_of_a_session_that_ended_brings_nobody_back() -> None:
    parts, there = GuildParts(), (SessionPresence(),)
    assert parts.take("a", Part(user=1, version=2))
    assert not parts.take("a", Part(user=1, version=1, sessions=there))
    parts.replace("a", 1, [Part(user=1, version=1, sessions=there)])
    assert parts.of(1) == []
    parts.sweep()
    parts.sweep()
    assert len(parts) == 0
