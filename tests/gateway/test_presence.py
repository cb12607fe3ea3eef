"""Presence on real sockets: what others see, when they see it, and what nobody sees (protocol.md §9)."""

from __future__ import annotations

from tests.support.town import BELL, Listener, Person, Place, Town


def seen(listener: Listener, place: Place, who: Person) -> tuple[str, dict[str, str]]:
    """The next presence of `who` in the guild."""
    while True:
        d = listener.until("PRESENCE_UPDATE", guild_id=place.id)
        if d["user"]["id"] == who.id:
            return d["status"], d["client_status"]


def presence(status: str, *activities: dict[str, object]) -> dict[str, object]:
    return {"since": None, "activities": list(activities), "status": status, "afk": False}


def test_online_comes_with_the_first_session_and_offline_with_the_end_of_the_last(town: Town) -> None:
    owner, friend = town.person(), town.person()
    place = town.place(owner, friend)
    watch = town.listen(owner)
    first = town.listen(friend)
    assert seen(watch, place, friend) == ("online", {"web": "online"})
    second = town.listen(friend, presence=presence("idle"), properties={"browser": "Discord iOS"})
    assert seen(watch, place, friend) == ("online", {"web": "online", "mobile": "idle"})
    first.leave()
    assert seen(watch, place, friend) == ("idle", {"mobile": "idle"})
    second.leave()
    assert seen(watch, place, friend) == ("offline", {})


def test_a_cut_socket_does_not_end_the_presence(town: Town) -> None:
    owner, friend = town.person(), town.person()
    place = town.place(owner, friend)
    watch, other = town.listen(owner), town.listen(friend)
    seen(watch, place, friend)
    watch.flush()
    other.client.socket.close()
    [told] = town.told(place, watch)
    assert not [d for name, d in told if name == "PRESENCE_UPDATE" and d["user"]["id"] == friend.id]


def test_activities_are_shown_and_a_bot_keeps_four_fields(town: Town) -> None:
    owner = town.person()
    place = town.place(owner, BELL)
    watch = town.listen(owner)
    activity = {"name": "chess", "type": 0, "details": "secret plan", "state": "mid", "secrets": {"join": "x"}}
    town.listen(BELL, presence=presence("dnd", activity))
    while True:
        d = watch.until("PRESENCE_UPDATE", guild_id=place.id)
        if d["activities"]:
            break
    [shown] = d["activities"]
    assert d["status"] == "dnd"
    said = {key: value for key, value in shown.items() if value}
    assert said == {"name": "chess", "state": "mid", "created_at": shown["created_at"]}
    assert shown["type"] == 0
    assert isinstance(shown["created_at"], int)


def test_invisible_is_offline_on_every_surface(town: Town) -> None:
    owner, ghost = town.person(), town.person()
    place = town.place(owner, ghost)
    watch = town.listen(owner)
    hidden = town.listen(ghost, presence=presence("invisible", {"name": "hiding", "type": 0}))
    [told] = town.told(place, watch)
    assert ghost.id not in str([d for name, d in told if name == "PRESENCE_UPDATE"])
    later = town.listen(owner)
    guild = next(d for name, d in later.events if name == "GUILD_CREATE" and d["id"] == place.id)
    assert ghost.id not in [each["user"]["id"] for each in guild["presences"]]
    later.send(8, {"guild_id": place.id, "user_ids": [ghost.id], "presences": True})
    assert later.until("GUILD_MEMBERS_CHUNK")["presences"] == []
    hidden.send(3, presence("online"))
    assert seen(watch, place, ghost)[0] == "online"
    hidden.send(3, presence("invisible"))
    assert seen(watch, place, ghost) == ("offline", {})


def test_a_person_who_hides_on_one_device_is_hidden_on_all(town: Town) -> None:
    owner, friend = town.person(), town.person()
    place = town.place(owner, friend)
    watch = town.listen(owner)
    first = town.listen(friend)
    town.listen(friend)
    assert seen(watch, place, friend)[0] == "online"
    first.send(3, presence("invisible"))
    assert seen(watch, place, friend) == ("offline", {})


def test_game_and_null_activities_are_taken(town: Town) -> None:
    owner, friend = town.person(), town.person()
    place = town.place(owner, friend)
    watch, other = town.listen(owner), town.listen(friend, presence={"status": "online", "activities": None})
    seen(watch, place, friend)
    other.send(3, {"status": "idle", "game": {"name": "go", "type": 0}, "since": 1, "afk": True})
    d = watch.until("PRESENCE_UPDATE", status="idle")
    assert [each["name"] for each in d["activities"]] == ["go"]


def test_one_never_hears_of_oneself(town: Town) -> None:
    owner = town.person()
    place = town.place(owner)
    listener = town.listen(owner)
    listener.send(3, presence("dnd"))
    [told] = town.told(place, listener)
    assert not [name for name, _ in told if name == "PRESENCE_UPDATE"]


def test_guild_create_shows_who_is_online(town: Town) -> None:
    owner, friend = town.person(), town.person()
    place = town.place(owner, friend)
    town.listen(friend, presence=presence("dnd"))
    guild = next(d for name, d in town.listen(owner).events if name == "GUILD_CREATE" and d["id"] == place.id)
    [shown] = [each for each in guild["presences"] if each["user"]["id"] == friend.id]
    assert shown["status"] == "dnd"
    assert "guild_id" not in shown


def test_http_counts_who_is_online_and_not_who_hides(town: Town) -> None:
    owner, friend = town.person(), town.person()
    place = town.place(owner, friend)
    town.listen(owner)
    town.listen(friend, presence=presence("invisible"))
    [listed] = town.call(owner, "GET", "/users/@me/guilds?with_counts=true")
    guild = town.call(owner, "GET", f"/guilds/{place.id}?with_counts=true")
    for body in (listed, guild):
        assert (body["approximate_member_count"], body["approximate_presence_count"]) == (2, 1)


def test_of_changes_that_come_together_everyones_last_is_seen(town: Town) -> None:
    owner, *friends = (town.person() for _ in range(6))
    place = town.place(owner, *friends)
    watch = town.listen(owner)
    others = [town.listen(friend) for friend in friends]
    for status in ("idle", "dnd", "idle", "dnd"):
        for other in others:
            other.send(3, presence(status))
    last: dict[str, str] = {}
    wanted = {friend.id: "dnd" for friend in friends}
    while last != wanted:
        d = watch.until("PRESENCE_UPDATE", guild_id=place.id)
        last[d["user"]["id"]] = d["status"]
