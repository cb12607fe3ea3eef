"""Every event of the server tells strangers, members and those who lost access nothing that they may not see.

The events are the code's own: a new one fails until an act in `tests.support.event_acts` makes it happen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.packaging.compat import ROOT, load
from tests.support import event_acts  # noqa: F401 - adds its acts
from tests.support.event_walk import ACTS, HOLDERS, PASSIVE, WORLD, Act, Scene, read
from tests.support.server import UNLIMITED, running_server

LIKE_AN_EVENT = re.compile(
    r'"([A-Z]+(?:_[A-Z0-9]+)*_(?:ACK|ADD|CHUNK|CREATE|DELETE|EFFECT|EMOJI|EXECUTION|FAILURE|INFO|LIMITED|MANY|REMOVE|REPLACE|RESPONSE|SEND'
    r'|SOUNDS|START|SUCCESS|SUPPLEMENTAL|SYNC|UPDATE(?:_V\d)?))"'
)
NO_EVENTS: set[str] = set()
"""Texts of the code that look like an event's name and are none."""


def sent() -> set[str]:
    """The names of the events that the code sends: what docs/compat.toml says, and what looks like one."""
    rows = {name for name, row in load()["events"].items() if row["works"] != "no"}
    folders = ("gateway", "model", "service")
    paths = [path for folder in folders for path in (ROOT / "python/tocsin" / folder).rglob("*.py")]
    return (rows | {name for path in paths for name in LIKE_AN_EVENT.findall(path.read_text())}) - NO_EVENTS


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    flags = (*UNLIMITED, "--voice-endpoint", "voice.example:443", *PASSIVE)
    with running_server(tmp_path_factory.mktemp("walk"), *flags, world=WORLD) as server:
        made = Scene(server)
        yield made
        made.close()


def test_every_event_is_walked() -> None:
    assert sent() == {act.name for act in ACTS}, "give the new event an act in tests/support/event_acts.py"


@pytest.mark.parametrize("act", ACTS, ids=lambda act: f"{act.name} by {act.do.__name__}")
def test_an_event_tells_only_those_it_is_for(scene: Scene, act: Act) -> None:
    assert scene.perform(act) == []


def test_the_walk_finds_what_there_is_to_find(scene: Scene) -> None:
    scene.say()
    scene.listeners["owner"].until("MESSAGE_CREATE")
    told = scene.flush()
    assert {who for who, events in told.items() if any(read(d, scene.of_channel) for _, d in events)} >= HOLDERS
    act = next(act for act in ACTS if act.name == "MESSAGE_CREATE")
    assert "insider was told MESSAGE_CREATE" in scene.perform(act._replace(audience=HOLDERS))
