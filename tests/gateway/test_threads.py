"""Threads on real sockets: who is told of them, who is not, and what is taken away (protocol.md §3.3, §7.1 rule 5)."""

from __future__ import annotations

from typing import Any

import httpx

from tests.support.rules import word_rule
from tests.support.shapes import FIXTURES, differences
from tests.support.town import BELL, CLERK, Listener, Person, Place, Town, names
from tocsin.model.permissions import Permission

VIEW = str(int(Permission.VIEW_CHANNEL))


def start(town: Town, place: Place, who: Person, kind: int = 11, **body: Any) -> Any:
    path = f"/channels/{place.general}/threads"
    return town.call(who, "POST", path, {"name": "a thread", "type": kind, **body})


def post(town: Town, who: Person, channel: str, content: str = "hello") -> str:
    message: dict[str, str] = town.call(who, "POST", f"/channels/{channel}/messages", {"content": content})
    return message["id"]


def about(events: list[tuple[str, Any]], thread_id: str) -> list[str]:
    """The names of the events that name a thread anywhere."""
    return [name for name, d in events if thread_id in str(d)]


def create_of(listener: Listener, guild_id: str) -> Any:
    return next(d for name, d in listener.events if name == "GUILD_CREATE" and d["id"] == guild_id)


def hide(town: Town, place: Place, target: str, kind: int = 0, channel: str = "") -> None:
    path = f"/channels/{channel or place.general}/permissions/{target}"
    town.call(place.owner, "PUT", path, {"type": kind, "deny": VIEW})


def test_a_public_thread_is_told_to_those_who_view_its_parent_and_its_messages_follow(town: Town) -> None:
    owner, member, other = town.person(), town.person(), town.person()
    place = town.place(owner, member, other)
    hide(town, place, other.id, 1)
    one, none = town.listen(owner), town.listen(other)
    own = town.listen(member)
    thread = start(town, place, member)
    seen = one.until("THREAD_CREATE", id=thread["id"])
    assert seen["newly_created"] is True
    assert "member" not in seen
    assert differences({**FIXTURES["THREAD_CREATE"], "member": None}, {**seen, "member": None}) == []
    assert own.until("THREAD_CREATE", id=thread["id"])["member"]["user_id"] == member.id
    message = post(town, member, thread["id"])
    one.until("MESSAGE_CREATE", id=message, channel_id=thread["id"])
    [told] = town.told(place, none)
    assert about(told, thread["id"]) == []


def test_guild_create_lists_the_threads_one_may_view_with_ones_own_place(town: Town) -> None:
    owner, member, other = town.person(), town.person(), town.person()
    place = town.place(owner, member, other)
    public, private = start(town, place, member), start(town, place, member, 12)
    post(town, member, public["id"])
    listed = {each["id"]: each for each in create_of(town.listen(member), place.id)["threads"]}
    assert set(listed) == {public["id"], private["id"]}
    assert listed[public["id"]]["member"]["user_id"] == member.id
    assert differences(FIXTURES["GUILD_CREATE"]["threads"][0], listed[public["id"]]) == []
    assert listed[public["id"]]["message_count"] == 1
    assert [each["id"] for each in create_of(town.listen(other), place.id)["threads"]] == [public["id"]]
    assert len(create_of(town.listen(owner), place.id)["threads"]) == 2


def test_a_private_thread_is_its_members_and_managers_alone(town: Town) -> None:
    owner, member, guest, other = town.person(), town.person(), town.person(), town.person()
    place = town.place(owner, member, guest, other)
    boss, invited, stranger = town.listen(owner), town.listen(guest), town.listen(other)
    thread = start(town, place, member, 12)
    boss.until("THREAD_CREATE", id=thread["id"])
    secret = post(town, member, thread["id"], "secret")
    boss.until("MESSAGE_CREATE", id=secret)
    base = f"/channels/{thread['id']}"
    town.call(member, "PUT", f"{base}/thread-members/{guest.id}")
    created = invited.until("THREAD_CREATE", id=thread["id"])
    assert created["member"]["user_id"] == guest.id
    second = post(town, member, thread["id"], "welcome")
    invited.until("MESSAGE_CREATE", id=second)
    assert not [d for name, d in invited.events if name == "MESSAGE_CREATE" and d["id"] == secret]
    town.call(member, "DELETE", f"{base}/thread-members/{guest.id}")
    third = post(town, member, thread["id"], "gone?")
    boss.until("MESSAGE_CREATE", id=third)
    told, nothing = town.told(place, invited, stranger)
    assert about(told, thread["id"])[-2:] == ["THREAD_MEMBERS_UPDATE", "THREAD_DELETE"]
    assert third not in str(told)
    assert about(nothing, thread["id"]) == []


def test_losing_the_parent_takes_its_threads_and_gaining_it_brings_them(town: Town) -> None:
    owner, member = town.person(), town.person()
    place = town.place(owner, member)
    public, private = start(town, place, owner), start(town, place, member, 12)
    listener = town.listen(member)
    hide(town, place, member.id, 1)
    listener.until("CHANNEL_DELETE", id=place.general)
    hidden = [post(town, owner, public["id"]), post(town, owner, private["id"])]
    [told] = town.told(place, listener)
    assert not [each for each in hidden if each in str(told)]
    town.call(owner, "DELETE", f"/channels/{place.general}/permissions/{member.id}")
    listener.until("CHANNEL_CREATE", id=place.general)
    sync = listener.until("THREAD_LIST_SYNC")
    assert differences(FIXTURES["THREAD_LIST_SYNC"], {**sync, "threads": FIXTURES["THREAD_LIST_SYNC"]["threads"]}) == []
    assert sync["channel_ids"] == [place.general]
    assert {each["id"] for each in sync["threads"]} == {public["id"], private["id"]}
    assert [each["id"] for each in sync["members"]] == [private["id"]]
    shown = post(town, owner, private["id"])
    listener.until("MESSAGE_CREATE", id=shown)


def test_archiving_ends_a_thread_for_clients_and_opening_brings_it_back_with_ones_place(town: Town) -> None:
    owner, member = town.person(), town.person()
    place = town.place(owner, member)
    thread = start(town, place, member)
    one, own = town.listen(owner), town.listen(member)
    town.call(member, "PATCH", f"/channels/{thread['id']}", {"archived": True})
    for each in (one, own):
        assert each.until("THREAD_UPDATE", id=thread["id"])["thread_metadata"]["archived"] is True
    assert create_of(town.listen(owner), place.id)["threads"] == []
    message = post(town, owner, thread["id"])
    for each in (one, own):
        assert each.until("THREAD_UPDATE", id=thread["id"])["thread_metadata"]["archived"] is False
    assert own.until("THREAD_MEMBER_UPDATE", id=thread["id"])["guild_id"] == place.id
    assert one.until("THREAD_CREATE", id=thread["id"])["member"]["user_id"] == owner.id
    for each in (one, own):
        each.until("MESSAGE_CREATE", id=message)
    assert "THREAD_MEMBER_UPDATE" not in names(one.events)


def test_what_is_deleted_in_an_archived_private_thread_is_told_to_who_may_view_it(town: Town) -> None:
    owner, member, guest, lost, other = (town.person() for _ in range(5))
    place = town.place(owner, member, guest, lost, other, BELL)
    manages = str(int(Permission.MANAGE_THREADS | Permission.MANAGE_MESSAGES))
    role = town.call(owner, "POST", f"/guilds/{place.id}/roles", {"name": "m", "permissions": manages})["id"]
    town.call(owner, "PUT", f"/guilds/{place.id}/members/{BELL.id}/roles/{role}")
    thread = start(town, place, member, 12)
    base = f"/channels/{thread['id']}"
    for each in (guest, lost):
        town.call(member, "PUT", f"{base}/thread-members/{each.id}")
    one, *several = [post(town, member, thread["id"]) for _ in range(4)]
    last = post(town, guest, thread["id"])
    town.call(member, "PATCH", base, {"archived": True})
    hide(town, place, lost.id, 1)
    sees = [town.listen(each) for each in (owner, member, BELL)]
    does_not = [town.listen(each) for each in (lost, other)]
    town.call(member, "DELETE", f"{base}/messages/{one}")
    town.call(BELL, "POST", f"{base}/messages/bulk-delete", {"messages": several[:2]})
    town.call(owner, "PUT", f"/guilds/{place.id}/bans/{guest.id}", {"delete_message_seconds": 60})
    of_thread = {"channel_id": thread["id"], "guild_id": place.id}
    for listener in sees:
        assert listener.until("MESSAGE_DELETE") == {"id": one, **of_thread}
        assert listener.until("MESSAGE_DELETE_BULK") == {"ids": several[:2], **of_thread}
        assert listener.until("MESSAGE_DELETE_BULK") == {"ids": [last], **of_thread}
    for told in town.told(place, *does_not):
        assert about(told, thread["id"]) == []


def test_without_guild_members_one_is_told_only_of_oneself(town: Town) -> None:
    owner, member = town.person(), town.person()
    place = town.place(owner, member, BELL, CLERK)
    thread = start(town, place, owner)
    full, own = town.listen(BELL), town.listen(CLERK, intents=0x331FFFF & ~0x8102)
    town.call(member, "PUT", f"/channels/{thread['id']}/thread-members/@me")
    assert [each["user_id"] for each in full.until("THREAD_MEMBERS_UPDATE")["added_members"]] == [member.id]
    town.call(CLERK, "PUT", f"/channels/{thread['id']}/thread-members/@me")
    update = own.until("THREAD_MEMBERS_UPDATE")
    assert [each["user_id"] for each in update["added_members"]] == [CLERK.id]
    assert differences(FIXTURES["THREAD_MEMBERS_UPDATE"], update) == []


def test_a_deleted_thread_and_a_deleted_parent_end_them(town: Town) -> None:
    owner, member, other = town.person(), town.person(), town.person()
    place = town.place(owner, member, other)
    start(town, place, member)
    private = start(town, place, member, 12)
    one, stranger = town.listen(member), town.listen(other)
    town.call(owner, "DELETE", f"/channels/{private['id']}")
    gone = one.until("THREAD_DELETE")
    assert gone == {"id": private["id"], "guild_id": place.id, "parent_id": place.general, "type": 12}
    [told] = town.told(place, stranger)
    assert about(told, private["id"]) == []
    town.call(owner, "DELETE", f"/channels/{place.general}")
    one.until("CHANNEL_DELETE", id=place.general)
    assert create_of(town.listen(member), place.id)["threads"] == []


def test_manage_threads_shows_private_threads_and_hides_them_when_it_goes(town: Town) -> None:
    owner, member, other = town.person(), town.person(), town.person()
    place = town.place(owner, member, other)
    thread = start(town, place, member, 12)
    role = town.call(owner, "POST", f"/guilds/{place.id}/roles", {"name": "m", "permissions": str(1 << 34)})["id"]
    listener = town.listen(other)
    town.call(owner, "PUT", f"/guilds/{place.id}/members/{other.id}/roles/{role}")
    assert [each["id"] for each in listener.until("THREAD_LIST_SYNC")["threads"]] == [thread["id"]]
    listener.until("MESSAGE_CREATE", id=post(town, member, thread["id"]))
    town.call(owner, "PATCH", f"/guilds/{place.id}/roles/{role}", {"permissions": "0"})
    listener.until("THREAD_DELETE", id=thread["id"])
    secret = post(town, member, thread["id"])
    [told] = town.told(place, listener)
    assert secret not in str(told)


def test_who_comes_back_to_the_guild_finds_nothing_of_a_private_thread(town: Town) -> None:
    owner, member, guest = town.person(), town.person(), town.person()
    place = town.place(owner, member, guest)
    thread = start(town, place, member, 12)
    town.call(member, "PUT", f"/channels/{thread['id']}/thread-members/{guest.id}")
    town.place(guest)
    listener = town.listen(guest)
    town.call(owner, "DELETE", f"/guilds/{place.id}/members/{guest.id}")
    listener.until("GUILD_DELETE", id=place.id)
    town.join(place, guest)
    assert listener.until("GUILD_CREATE", id=place.id)["threads"] == []
    listener.events.clear()
    post(town, member, thread["id"])
    [told] = town.told(place, listener)
    assert about(told, thread["id"]) == []


def test_a_thread_has_its_parents_member_list(town: Town) -> None:
    owner, member = town.person(), town.person()
    place = town.place(owner, member)
    thread = start(town, place, member)
    listener = town.listen(owner)
    listener.send(14, {"guild_id": place.id, "channels": {thread["id"]: [[0, 99]]}})
    assert listener.until("GUILD_MEMBER_LIST_UPDATE", guild_id=place.id)["member_count"] == 2


def test_what_automatic_moderation_did_in_a_thread_is_told_to_who_may_view_it(town: Town) -> None:
    owner, member, boss = town.person(), town.person(), town.person()
    place = town.place(owner, member, boss)
    role = town.call(owner, "POST", f"/guilds/{place.id}/roles", {"name": "m", "permissions": "32"})["id"]
    town.call(owner, "PUT", f"/guilds/{place.id}/members/{boss.id}/roles/{role}")
    rule = word_rule()
    town.call(owner, "POST", f"/guilds/{place.id}/auto-moderation/rules", rule)
    thread = start(town, place, member, 12)
    sees, does_not = town.listen(owner), town.listen(boss)
    url = f"{town.server.api}/channels/{thread['id']}/messages"
    answer = httpx.post(url, json={"content": "bad"}, headers={"Authorization": member.token})
    assert answer.json()["code"] == 200000
    assert sees.until("AUTO_MODERATION_ACTION_EXECUTION")["channel_id"] == thread["id"]
    [told] = town.told(place, does_not)
    assert about(told, thread["id"]) == []
