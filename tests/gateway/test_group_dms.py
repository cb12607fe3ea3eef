"""Group DMs over sockets: each is told their part, in one order, and the removed nothing that comes after."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.support.town import Listener, Payload, Person, Town


def make(town: Town, owner: Person, *others: Person) -> str:
    made: str = town.call(owner, "POST", "/users/@me/channels", {"recipients": [each.id for each in others]})["id"]
    return made


def of_group(told: list[tuple[str, Payload]], group: str) -> list[tuple[str, Payload]]:
    return [(name, d) for name, d in told if group in (d.get("channel_id"), d.get("id"))]


def names(told: list[tuple[str, Payload]]) -> list[str]:
    return [name for name, _ in told]


def groups_of(listener: Listener) -> list[Payload]:
    return [each for each in listener.ready["private_channels"] if each["type"] == 3]


def test_each_is_told_their_part_and_the_removed_nothing_more(town: Town) -> None:
    owner, friend, guest, late = (town.person() for _ in range(4))
    place = town.place(owner, friend, guest, late)
    listeners = [town.listen(each) for each in (owner, friend, guest, late)]
    group = make(town, owner, friend, guest)
    town.call(friend, "PUT", f"/channels/{group}/recipients/{late.id}")
    town.call(guest, "POST", f"/channels/{group}/messages", {"content": "hello"})
    [shown] = groups_of(town.listen(guest))
    assert {each["id"] for each in shown["recipients"]} == {owner.id, friend.id, late.id}
    assert (shown["id"], shown["owner_id"], shown["name"], shown["icon"]) == (group, owner.id, None, None)
    town.call(owner, "DELETE", f"/channels/{group}/recipients/{guest.id}")
    town.call(owner, "POST", f"/channels/{group}/typing")
    town.call(late, "POST", f"/channels/{group}/messages", {"content": "are they gone?"})
    town.call(friend, "PATCH", f"/channels/{group}", {"name": "us"})
    town.call(friend, "DELETE", f"/channels/{group}")
    first, second, third, fourth = (of_group(told, group) for told in town.told(place, *listeners))
    common = ["MESSAGE_CREATE", "MESSAGE_CREATE"]
    after = ["CHANNEL_RECIPIENT_REMOVE", "MESSAGE_CREATE", "TYPING_START", "MESSAGE_CREATE"]
    renamed = ["CHANNEL_UPDATE", "MESSAGE_CREATE"]
    left = ["CHANNEL_RECIPIENT_REMOVE", "MESSAGE_CREATE"]
    assert names(first) == ["CHANNEL_CREATE", "CHANNEL_RECIPIENT_ADD", *common, *after, *renamed, *left]
    assert names(second) == ["CHANNEL_CREATE", "CHANNEL_RECIPIENT_ADD", *common, *after, *renamed, "CHANNEL_DELETE"]
    assert names(third) == ["CHANNEL_CREATE", "CHANNEL_RECIPIENT_ADD", *common, "CHANNEL_DELETE"]
    assert names(fourth) == ["CHANNEL_CREATE", *common, *after, *renamed, *left]
    for person in (guest, friend):
        again = town.listen(person)
        assert groups_of(again) == []
        assert [each for each in again.ready["read_state"] if each["id"] == group] == []
    [kept] = groups_of(town.listen(late))
    assert (kept["name"], [each["id"] for each in kept["recipients"]]) == ("us", [owner.id])


def test_what_is_said_during_a_removal_comes_before_it_or_not_at_all(town: Town) -> None:
    """Whatever the order in which they are written: the removed hears what the others hear until they are told."""
    owner, friend, guest = (town.person() for _ in range(3))
    place = town.place(owner, friend, guest)
    listeners = [town.listen(each) for each in (owner, friend, guest)]
    group = make(town, owner, friend, guest)
    base, seat = f"/channels/{group}/messages", f"/channels/{group}/recipients/{guest.id}"

    def talk(number: int) -> None:
        message = town.call(friend, "POST", base, {"content": str(number)})["id"]
        town.call(owner, "PUT", f"{base}/{message}/reactions/%F0%9F%94%A5/@me")
        town.call(friend, "PATCH", f"{base}/{message}", {"content": f"{number}!"})

    with ThreadPoolExecutor(4) as pool:
        for round_ in range(4):
            talking = [pool.submit(talk, number) for number in range(8)]
            town.call(owner, "DELETE" if round_ % 2 == 0 else "PUT", seat)
            for each in talking:
                each.result()
    town.call(owner, "DELETE", seat)
    town.call(friend, "POST", base, {"content": "the end"})
    listeners[0].until("MESSAGE_CREATE", content="the end")
    boss, other, removed = (of_group(told, group) for told in town.told(place, *listeners))
    assert boss[1:] == other[1:]
    assert len([name for name in names(boss) if name == "MESSAGE_UPDATE"]) == 32
    # What the owner heard, without the parts between a removal and the next time in.
    expected, inside = [], True
    for name, d in boss:
        if name in ("CHANNEL_RECIPIENT_REMOVE", "CHANNEL_RECIPIENT_ADD"):
            inside = name == "CHANNEL_RECIPIENT_ADD"
            expected.append("CHANNEL_CREATE" if inside else "CHANNEL_DELETE")
        elif name == "CHANNEL_CREATE":
            expected.append(name)
        elif inside:
            expected.append(d.get("message_id") or d["id"])
    heard = [name if name.startswith("CHANNEL_") else d.get("message_id") or d["id"] for name, d in removed]
    assert heard == expected
    assert expected.count("CHANNEL_DELETE") == 3


def test_sessions_that_begin_meanwhile_end_up_knowing_what_is_true(town: Town) -> None:
    """Somebody is taken in and put out while sessions of theirs begin; none hears a word while it is out."""
    owner, friend, guest = (town.person() for _ in range(3))
    place = town.place(owner, friend, guest)
    group = make(town, owner, friend, guest)
    seat = f"/channels/{group}/recipients/{guest.id}"

    def toggle() -> None:
        editor = Town(town.server)
        try:
            for number in range(30):
                word = "with" if number % 2 else "without"
                editor.call(owner, "PUT" if number % 2 else "DELETE", seat)
                editor.call(owner, "POST", f"/channels/{group}/messages", {"content": word})
        finally:
            editor.close()

    with ThreadPoolExecutor(1) as pool:
        toggling = pool.submit(toggle)
        begun = [town.listen(guest) for _ in range(12)]
        toggling.result()
    town.call(owner, "DELETE", seat)
    town.call(owner, "POST", f"/channels/{group}/messages", {"content": "without"})
    for listener, told in zip(begun, town.told(place, *begun), strict=True):
        known = bool(groups_of(listener))
        for name, d in of_group(told, group):
            if name in ("CHANNEL_CREATE", "CHANNEL_DELETE"):
                known = name == "CHANNEL_CREATE"
            else:
                assert known, (name, d)
                assert d["content"] != "without"
        assert not known
    seen = httpx.get(f"{town.server.api}/channels/{group}/messages", headers={"Authorization": guest.token})
    assert seen.status_code == 403
