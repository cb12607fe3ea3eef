"""Presence: what one session says of its user, and what others see of all of them together (protocol.md §9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import attrgetter
from typing import Any

import msgspec

Activity = dict[str, Any]

VISIBLE = ("dnd", "online", "idle")
"""What others can see, the strongest first: any `dnd` wins over any `online`, which wins over `idle` (§9.3)."""

HIDDEN = frozenset({"invisible", "offline"})
MAX_ACTIVITIES = 8

_STATUSES = frozenset({*VISIBLE, *HIDDEN})
_BOT_FIELDS = ("name", "type", "state", "url")
_PERSON_FIELDS = (
    *_BOT_FIELDS,
    "id",
    "timestamps",
    "application_id",
    "status_display_type",
    "details",
    "details_url",
    "state_url",
    "emoji",
    "party",
    "assets",
    "instance",
    "flags",
    "buttons",
    "sync_id",
    "session_id",
    "platform",
)
_TEXT_LIMITS = {"state": 128, "details": 128, "url": 512, "details_url": 512, "state_url": 512}
_MAX_ACTIVITY_BYTES = 4096


class SessionPresence(msgspec.Struct, frozen=True, kw_only=True):
    """What one session says. `order` rises with every change; `explicit` is False for the default of an identify."""

    status: str = "online"
    activities: tuple[Activity, ...] = ()
    since: int | None = None
    afk: bool = False
    platform: str = "web"
    order: int = 0
    explicit: bool = False


class Presence(msgspec.Struct, frozen=True, kw_only=True):
    """What others see of a user."""

    status: str
    activities: list[Activity]
    client_status: dict[str, str]


OFFLINE = Presence(status="offline", activities=[], client_status={})


def platform_of(properties: Mapping[str, Any]) -> str:
    """Return the key of `client_status` that identify's properties mean; `$`-prefixed names count too (§9.3)."""

    def text(name: str) -> str:
        value = properties.get(name, properties.get(f"${name}", ""))
        return value.lower() if isinstance(value, str) else ""

    browser, system = text("browser"), text("os")
    if browser in ("discord android", "discord ios") or system in ("android", "ios"):
        return "mobile"
    if browser == "discord client":
        return "desktop"
    if "embedded" in browser or "console" in browser:
        return "embedded"
    if "vr" in browser.split():
        return "vr"
    return "web"


def parse(d: object, *, bot: bool, platform: str, order: int, now_ms: int) -> SessionPresence:
    """Read an op 3 payload or an identify's `presence`. `game` counts as an activity; keys may be missing (§9.1).

    Raises:
        ValueError: it is no object, or its status or activities are of a wrong type.
    """
    if not isinstance(d, dict):
        raise ValueError("a presence is an object")
    status = d.get("status", "online")
    # discordgo always sends a presence, and an empty status unless it was given one.
    if status in (None, "", "unknown"):
        status = "online"
    if not isinstance(status, str) or status not in _STATUSES:
        raise ValueError("no such status")
    raw = d.get("activities")
    if raw is None:
        game = d.get("game")
        raw = [] if game is None else [game]
    if not isinstance(raw, list):
        raise ValueError("activities are an array")
    since = d.get("since")
    return SessionPresence(
        status="invisible" if status in HIDDEN else status,
        activities=sanitise(raw, bot=bot, now_ms=now_ms),
        since=since if isinstance(since, int) and not isinstance(since, bool) else None,
        afk=d.get("afk") is True,
        platform=platform,
        order=order,
        explicit=True,
    )


def sanitise(activities: Iterable[object], *, bot: bool, now_ms: int) -> tuple[Activity, ...]:
    """Keep what may be shown: bots have name, type, state and url; secrets and metadata never pass (§9.1, §9.2).

    Raises:
        ValueError: an activity is no object, or has no name or type of the right kind.
    """
    kept: list[Activity] = []
    for raw in activities:
        if not isinstance(raw, dict):
            raise ValueError("an activity is an object")
        name, kind = raw.get("name"), raw.get("type", 0)
        if not isinstance(name, str) or not isinstance(kind, int) or isinstance(kind, bool):
            raise ValueError("an activity has a name and a type")
        if not name or len(kept) == MAX_ACTIVITIES:
            continue
        activity: Activity = {"created_at": now_ms, "url": None, "details": None, "state": None, "flags": 0}
        for field in _BOT_FIELDS if bot else _PERSON_FIELDS:
            value = raw.get(field)
            if value is None:
                continue
            limit = _TEXT_LIMITS.get(field)
            if limit is not None:
                if not isinstance(value, str):
                    raise ValueError(f"an activity's {field} is text")
                value = value[:limit]
            activity[field] = value
        activity |= {"name": name[:128], "type": kind}
        if kind != 1:
            activity["url"] = None
        buttons = activity.get("buttons")
        if buttons is not None:
            activity["buttons"] = _labels(buttons)
        if len(msgspec.json.encode(activity)) <= _MAX_ACTIVITY_BYTES:
            kept.append(activity)
    return tuple(kept)


def _labels(buttons: object) -> list[str]:
    """Return the labels: buttons are sent with their links and shown without (§9.2)."""
    if not isinstance(buttons, list):
        raise ValueError("an activity's buttons are an array")
    labels = [each.get("label") if isinstance(each, dict) else each for each in buttons[:2]]
    return [label[:32] for label in labels if isinstance(label, str)]


def aggregate(sessions: Iterable[SessionPresence], *, bot: bool, idle: bool = False) -> Presence:
    """Return what others see of a user with these sessions (§9.3).

    A person's newest explicit `invisible` hides the whole account. Otherwise hidden sessions count for nothing, and
    the strongest of the rest is shown, overall and per platform. Activities are a person's all together, the newest
    first, one per id, and a bot's those it set last. `idle`: whoever is online has done nothing for long.
    """
    newest = sorted(sessions, key=_order, reverse=True)
    if len(newest) == 1 and not newest[0].activities:  # as nearly all are
        [only] = newest
        if only.status not in VISIBLE:
            return OFFLINE
        status = "idle" if idle and only.status == "online" else only.status
        return Presence(status=status, activities=[], client_status={only.platform: status})
    if not bot:
        latest = next((each for each in newest if each.explicit), None)
        if latest is not None and latest.status in HIDDEN:
            return OFFLINE
    shown = [each for each in newest if each.status in VISIBLE]
    if idle:
        shown = [msgspec.structs.replace(each, status="idle") if each.status == "online" else each for each in shown]
    if not shown:
        return OFFLINE
    platforms: dict[str, str] = {}
    for status in VISIBLE:
        for each in shown:
            if each.status == status:
                platforms.setdefault(each.platform, status)
    overall = next(status for status in VISIBLE if status in platforms.values())
    activities = list(next((each.activities for each in shown if each.explicit), ())) if bot else _together(shown)
    return Presence(status=overall, activities=activities, client_status=platforms)


_order = attrgetter("order")


def _together(sessions: Iterable[SessionPresence]) -> list[Activity]:
    found: dict[Any, Activity] = {}
    for session in sessions:
        for activity in session.activities:
            kind = activity["type"]
            # One custom status per user: the newest; another activity is itself by its id, or by its name.
            identity = kind if kind == 4 else activity.get("id") or (kind, activity["name"])
            found.setdefault(msgspec.json.encode(identity), activity)
    return sorted(found.values(), key=_place)[:MAX_ACTIVITIES]


def _place(activity: Activity) -> int:
    """Order activities: the custom status, then a stream, which makes its user be shown as streaming, then others."""
    return {4: 0, 1: 1}.get(activity["type"], 2)
