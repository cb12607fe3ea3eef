"""EventActs: more acts of the walk over events: threads, and guilds so large that people are passive in them."""

from __future__ import annotations

from tests.support.event_walk import ADA, CROWD, HOLDERS, MEMBERS, NEWCOMER, VIEW, VIEWERS, Scene, read, walked

# -- threads


@walked("THREAD_CREATE", VIEWERS)
@walked("THREAD_UPDATE", VIEWERS)
@walked("THREAD_MEMBERS_UPDATE", VIEWERS)
@walked("THREAD_MEMBER_UPDATE", VIEWERS, "insider")
@walked("THREAD_DELETE", VIEWERS)
@walked("MESSAGE_CREATE", VIEWERS)
def a_thread_of_the_hidden_channel_lives(scene: Scene) -> None:
    _thread_lives(scene, scene.thread(scene.hidden, 11))


@walked("THREAD_CREATE", MEMBERS)
@walked("THREAD_UPDATE", VIEWERS)
@walked("THREAD_DELETE", VIEWERS)
@walked("THREAD_MEMBERS_UPDATE", VIEWERS)
@walked("MESSAGE_CREATE", VIEWERS)
@walked("TYPING_START", VIEWERS)
def a_private_thread_lives_without_one_who_was_in_it(scene: Scene) -> None:
    lost, boss = scene.people["lost"].id, scene.listeners["owner"]
    thread = scene.thread(scene.place.general, 12, keep=False)
    path = f"/channels/{thread}/thread-members/{lost}"
    scene.call("PUT", path, who="insider")
    scene.call("DELETE", path, who="insider")
    while boss.until("THREAD_MEMBERS_UPDATE", id=thread).get("removed_member_ids") != [lost]:
        pass
    former = [*boss.events]
    scene.flush()
    boss.events += former
    scene.keep(thread)
    scene.call("POST", f"/channels/{thread}/typing", who="insider")
    _thread_lives(scene, thread)


def _thread_lives(scene: Scene, thread: str) -> None:
    path = f"/channels/{thread}"
    scene.say(thread)
    scene.call("PUT", f"{path}/thread-members/@me")
    for change in ({"name": scene.secret("thread")}, {"archived": True}, {"archived": False}):
        scene.call("PATCH", path, change)
    scene.call("DELETE", path)


@walked("THREAD_LIST_SYNC", NEWCOMER, "newcomer")
def somebody_is_let_in_and_out(scene: Scene) -> None:
    thread = scene.thread(scene.hidden, 11)
    role = scene._in_guild(f"members/{scene.newcomer().id}/roles/{scene.keys}")
    listener, scene.admitted = scene.listeners["newcomer"], True
    scene.call("PUT", role)
    listener.until("THREAD_LIST_SYNC")
    scene.call("DELETE", role)
    listener.until("CHANNEL_DELETE", id=scene.hidden)
    scene.call("DELETE", f"/channels/{thread}")


# -- among several


GROUP = frozenset({"owner", "insider", "member"})


@walked("CHANNEL_RECIPIENT_ADD", GROUP)
@walked("CHANNEL_RECIPIENT_REMOVE", GROUP)
@walked("CHANNEL_UPDATE", GROUP)
@walked("TYPING_START", GROUP)
@walked("CHANNEL_CREATE", GROUP | NEWCOMER, "newcomer")
@walked("MESSAGE_CREATE", GROUP | NEWCOMER)
def a_group_lives_without_one_who_was_in_it(scene: Scene) -> None:
    path = _group_without_the_newcomer(scene)
    scene.of_act.add("among-us")
    scene.call("PATCH", path, {"name": "among-us"}, "insider")
    scene.call("POST", f"{path}/typing")
    scene.call("POST", f"{path}/messages", {"content": "among-us"}, "member")


@walked("CHANNEL_DELETE", NEWCOMER, "newcomer")
def somebody_is_put_out_of_a_group(scene: Scene) -> None:
    _group_without_the_newcomer(scene)


def _group_without_the_newcomer(scene: Scene) -> str:
    others = [scene.people[name].id for name in ("insider", "member")]
    newcomer = scene.newcomer().id
    group = scene.call("POST", "/users/@me/channels", {"recipients": others})["id"]
    scene.of_guild.add(group)
    path = f"/channels/{group}"
    scene.call("PUT", f"{path}/recipients/{newcomer}", who="insider")
    scene.call("DELETE", f"{path}/recipients/{newcomer}")
    return path


# -- a guild so large that people are passive in it


@walked("PASSIVE_UPDATE_V1", MEMBERS - HOLDERS, "insider")
def a_crowd_is_told_of_the_unread(scene: Scene) -> None:
    """There, too, the insider sees a hidden channel, one lost it, one left; no other act happens there."""
    town, people = scene.town, scene.people
    guild = f"/guilds/{CROWD}"
    keys = town.call(ADA, "POST", f"{guild}/roles", {"name": "keys", "permissions": "0"})["id"]
    overwrites = [{"id": CROWD, "type": 0, "deny": VIEW}, {"id": keys, "type": 0, "allow": VIEW}]
    hidden, general = (
        town.call(ADA, "POST", f"{guild}/channels", {"name": "room", "permission_overwrites": each})["id"]
        for each in (overwrites, [])
    )
    for name in ("insider", "member", "lost", "left"):
        town.call(ADA, "PUT", f"{guild}/members/{people[name].id}", {})
        scene.listeners[name].until("GUILD_CREATE", id=CROWD)
    for name in ("insider", "lost"):
        town.call(ADA, "PUT", f"{guild}/members/{people[name].id}/roles/{keys}")
    town.call(ADA, "DELETE", f"{guild}/members/{people['lost'].id}/roles/{keys}")
    scene.listeners["lost"].until("CHANNEL_DELETE", id=hidden)
    town.call(ADA, "DELETE", f"{guild}/members/{people['left'].id}")
    scene.listeners["left"].until("GUILD_DELETE", id=CROWD)
    scene.flush()
    said = [town.call(ADA, "POST", f"/channels/{each}/messages", {"content": "hi"})["id"] for each in (hidden, general)]
    scene.keep(hidden, said[0])
    scene.of_guild |= {general, said[1]}
    for name, last in (("insider", said[0]), ("member", said[1]), ("lost", said[1])):
        while last not in read(scene.listeners[name].until("PASSIVE_UPDATE_V1", guild_id=CROWD), {last}):
            pass
    for name in ("insider", "member", "lost"):
        town.call(ADA, "DELETE", f"{guild}/members/{people[name].id}")
