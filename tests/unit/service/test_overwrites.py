"""Overwrites as values: normal form, what differs, and being in step."""

from __future__ import annotations

import pytest

from tocsin.errors import BadRequest
from tocsin.model.entities import Channel, Overwrite
from tocsin.service import overwrites


def test_the_last_overwrite_of_a_target_counts_and_unknown_bits_are_dropped() -> None:
    given = [Overwrite(id=9, type=0, allow=1), Overwrite(id=3, type=1), Overwrite(id=9, type=0, deny=1 << 60 | 2)]
    assert overwrites.normal(given) == (Overwrite(id=3, type=1), Overwrite(id=9, type=0, deny=2))


def test_a_bit_both_allowed_and_denied_is_allowed() -> None:
    assert overwrites.normal([Overwrite(id=9, type=0, allow=1, deny=3)]) == (Overwrite(id=9, type=0, allow=1, deny=2),)


def test_more_overwrites_than_a_channel_may_have_are_refused() -> None:
    many = [Overwrite(id=number, type=1) for number in range(1, overwrites.MAX_OVERWRITES + 2)]
    assert len(overwrites.normal(many[:-1])) == overwrites.MAX_OVERWRITES
    with pytest.raises(BadRequest) as caught:
        overwrites.normal(many)
    assert caught.value.code == 30060


@pytest.mark.parametrize(
    ("old", "new", "bits"),
    [
        ((), (), 0),
        ((), (Overwrite(id=1, type=0, allow=4, deny=8),), 12),
        ((Overwrite(id=1, type=0, allow=4),), (), 4),
        ((Overwrite(id=1, type=0, allow=4),), (Overwrite(id=1, type=0, deny=4),), 4),
        ((Overwrite(id=1, type=0, allow=4),), (Overwrite(id=1, type=0, allow=6),), 2),
        ((Overwrite(id=1, type=0, allow=4),), (Overwrite(id=2, type=0, allow=8),), 12),
    ],
)
def test_touched_bits_are_those_whose_state_differs(
    old: tuple[Overwrite, ...], new: tuple[Overwrite, ...], bits: int
) -> None:
    assert overwrites.touched_bits(old, new) == bits


def test_channels_are_in_step_whatever_the_order_of_their_overwrites() -> None:
    one, two = Overwrite(id=1, type=0, allow=1), Overwrite(id=2, type=0)
    a = Channel(id=1, type=4, overwrites=(one, two))
    assert overwrites.synced(a, Channel(id=2, type=0, overwrites=(two, one)))
    assert not overwrites.synced(a, Channel(id=2, type=0, overwrites=(one,)))
