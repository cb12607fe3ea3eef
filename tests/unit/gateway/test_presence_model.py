"""Presence: what is read of a payload, and what others see of several sessions together (protocol.md §9)."""

from __future__ import annotations

from typing import Any

import pytest

from tocsin.model.presence import OFFLINE, Activity, SessionPresence, aggregate, parse, platform_of, sanitise

CHESS: Activity = {"name": "chess", "type": 0, "created_at": 1}
SONG: Activity = {"name": "song", "type": 2, "created_at": 1}
MOOD: Activity = {"name": "Custom Status", "type": 4, "state": "hm", "created_at": 1}


def session(status: str, order: int, *activities: Activity, platform: str = "web", explicit: bool = True) -> Any:
    return SessionPresence(status=status, activities=activities, platform=platform, order=order, explicit=explicit)


@pytest.mark.parametrize(
    ("sessions", "bot", "status", "devices"),
    [
        ([], False, "offline", {}),
        ([session("online", 1)], False, "online", {"web": "online"}),
        ([session("idle", 1), session("online", 2)], False, "online", {"web": "online"}),
        ([session("online", 1), session("dnd", 2)], False, "dnd", {"web": "dnd"}),
        ([session("dnd", 1), session("online", 2)], False, "dnd", {"web": "dnd"}),
        (
            [session("idle", 1, platform="mobile"), session("online", 2, platform="desktop")],
            False,
            "online",
            {"desktop": "online", "mobile": "idle"},
        ),
        ([session("online", 1), session("invisible", 2)], False, "offline", {}),
        ([session("invisible", 1), session("online", 2)], False, "online", {"web": "online"}),
        ([session("invisible", 1), session("online", 2, explicit=False)], False, "offline", {}),
        ([session("invisible", 1), session("online", 2, explicit=False)], True, "online", {"web": "online"}),
        ([session("invisible", 1)], True, "offline", {}),
    ],
)
def test_the_strongest_visible_status_wins(
    sessions: list[SessionPresence], bot: bool, status: str, devices: dict[str, str]
) -> None:
    found = aggregate(sessions, bot=bot)
    assert found.status == status
    assert found.client_status == devices


def test_a_persons_activities_come_together_with_the_custom_status_first() -> None:
    found = aggregate([session("online", 1, CHESS, MOOD), session("idle", 2, SONG, CHESS)], bot=False)
    assert found.activities == [MOOD, SONG, CHESS]


def test_a_bot_shows_what_it_set_last() -> None:
    assert aggregate([session("online", 1, CHESS), session("online", 2, SONG)], bot=True).activities == [SONG]


def test_a_hidden_users_activities_are_hidden() -> None:
    assert aggregate([session("invisible", 1, CHESS)], bot=False) == OFFLINE


@pytest.mark.parametrize(
    ("properties", "platform"),
    [
        ({"browser": "Discord Android"}, "mobile"),
        ({"browser": "Discord iOS"}, "mobile"),
        ({"$browser": "Discord Android"}, "mobile"),
        ({"browser": "Discord Client"}, "desktop"),
        ({"browser": "discord.py", "os": "linux"}, "web"),
        ({"browser": 5}, "web"),
        ({}, "web"),
    ],
)
def test_the_device_is_read_from_identifys_properties(properties: dict[str, Any], platform: str) -> None:
    assert platform_of(properties) == platform


@pytest.mark.parametrize(
    ("d", "status", "names"),
    [
        ({"status": "dnd", "activities": [], "since": None, "afk": False}, "dnd", []),
        ({"status": "online", "activities": None, "game": {"name": "chess", "type": 0}}, "online", ["chess"]),
        ({"status": "online", "activities": None, "game": None}, "online", []),
        ({"status": "offline"}, "invisible", []),
        ({"status": "unknown"}, "online", []),
        # What discordgo sends unless it was told otherwise.
        (
            {"since": 0, "game": {"name": "", "type": 0, "created_at": "0001-01-01T00:00:00Z"}, "status": ""},
            "online",
            [],
        ),
        ({}, "online", []),
    ],
)
def test_a_payload_is_read_tolerantly(d: Any, status: str, names: list[str]) -> None:
    found = parse(d, bot=False, platform="web", order=1, now_ms=1)
    assert (found.status, [each["name"] for each in found.activities]) == (status, names)


@pytest.mark.parametrize(
    "d", [None, [], "x", {"status": "asleep"}, {"status": 5}, {"activities": {}}, {"activities": [5]}]
)
def test_what_is_no_presence_is_refused(d: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse(d, bot=False, platform="web", order=1, now_ms=1)


def test_bots_keep_four_fields_and_people_lose_secrets() -> None:
    raw = {"name": "x", "type": 1, "url": "https://t.tv", "details": "d", "secrets": {"join": "s"}, "state": "st"}
    [bot] = sanitise([raw], bot=True, now_ms=7)
    [person] = sanitise([raw], bot=False, now_ms=7)
    assert bot == {
        "name": "x",
        "type": 1,
        "url": "https://t.tv",
        "state": "st",
        "details": None,
        "flags": 0,
        "created_at": 7,
    }
    assert person["details"] == "d"
    assert "secrets" not in person


def test_a_stream_comes_before_other_activities_and_after_the_custom_status() -> None:
    raw = [{"name": name, "type": kind} for name, kind in (("game", 0), ("stream", 1), ("Custom Status", 4))]
    said = parse({"status": "online", "activities": raw}, bot=False, platform="web", order=1, now_ms=1)
    assert [each["name"] for each in aggregate([said], bot=False).activities] == ["Custom Status", "stream", "game"]
