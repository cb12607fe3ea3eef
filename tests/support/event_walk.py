"""EventWalk: one act for every event the server sends, in a place of which some may see everything and others nothing.

A new event is walked by a function with `@walked("NAME", audience)` that makes it happen, and gives what must not be
found to `Scene.keep`, `secret` (of the hidden channels), `word`, `inner` (of the guild) or `of_act` (of an audience).
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx

from tests.support.raw_client import RawClient, op
from tests.support.server import WORLD as LAB
from tests.support.server import Server
from tests.support.town import BELL, CLERK, NO_PRIVILEGED, Listener, Payload, Person, Town

VIEW, ADMINISTRATOR = "1024", "8"
PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAACAkQBADs="

CROWD, ADA = "2002", Person("1001", "ada-token")
WORLD = {
    **LAB,
    "guilds": [*LAB["guilds"], {"id": CROWD, "name": "Crowd", "owner": "ada"}],
    "generate": [{"users": 120, "username": "face-{n}", "first_id": "500001", "join": ["Crowd"]}],
}
"""The world to walk in: with a guild that is large enough for people to be passive in it."""
PASSIVE = ("--passive-from-members", "100", "--passive-update-ms", "50")

HOLDERS = frozenset({"owner", "bell"})
"""Who may do everything there: a person and a bot."""
VIEWERS = HOLDERS | {"insider"}
"""Who sees the hidden channels."""
MEMBERS = VIEWERS | {"member", "lost"}
"""Who is in the guild. `lost` saw the hidden channels once."""
OUTSIDERS = frozenset({"left", "stranger", "clerk"})
"""Who is not: `left` was; `clerk` is a bot."""
OWNER, BOTS, NEWCOMER = frozenset({"owner"}), frozenset({"bell"}), frozenset({"newcomer"})


class Act(NamedTuple):
    """How an event is made to happen, who may be told, and which of them is waited for."""

    name: str
    audience: frozenset[str]
    witness: str
    do: Callable[[Scene], None]


ACTS: list[Act] = []


def walked(
    name: str, audience: frozenset[str], witness: str = "owner"
) -> Callable[[Callable[[Scene], None]], Callable[[Scene], None]]:
    """Add a function as an act of the event. An event may have several."""

    def add(do: Callable[[Scene], None]) -> Callable[[Scene], None]:
        ACTS.append(Act(name, audience, witness, do))
        return do

    return add


class Scene:
    """The place, who listens, and what nobody may find who does not see the channel, or the guild."""

    def __init__(self, server: Server) -> None:
        self.town = town = Town(server)
        self.of_channel: set[str] = set()
        self.of_guild: set[str] = set()
        self.of_act: set[str] = set()
        self.admitted = False
        self._numbers = itertools.count(1)
        self.owner = town.person()
        self.place = town.place(self.owner)
        self.people = {name: town.person() for name in ("insider", "member", "lost", "left", "stranger")}
        self.people |= {"owner": self.owner, "bell": BELL, "clerk": CLERK}
        homes = {name: town.place(who).id for name, who in self.people.items() if who not in (BELL, CLERK)}
        for name in ("insider", "member", "lost", "left", "bell"):
            town.join(self.place, self.people[name])
        self.keys = self.inner("POST", self._in_guild("roles"), name=self.word("role"), permissions="0")["id"]
        boss = self.inner("POST", self._in_guild("roles"), name=self.word("role"), permissions=ADMINISTRATOR)["id"]
        for name, role in (("insider", self.keys), ("lost", self.keys), ("bell", boss)):
            self.call("PUT", self._in_guild(f"members/{self.people[name].id}/roles/{role}"))
        self.hidden = self.room()
        self.stage = self.room(type=2)
        self.of_guild |= {self.place.id, self.place.general}
        self.listeners = {name: self._listen(name) for name in self.people}
        for name, home in homes.items():
            self.listeners[name].ready["guilds"] = [{"id": home}]
        self.call("DELETE", self._in_guild(f"members/{self.people['lost'].id}/roles/{self.keys}"))
        self.call("DELETE", self._in_guild(f"members/{self.people['left'].id}"))
        self.flush()

    def close(self) -> None:
        """End the sessions."""
        self.town.close()

    def _listen(self, name: str, **identify: Any) -> Listener:
        if name == "clerk":
            identify["intents"] = NO_PRIVILEGED
        listener = self.town.listen(self.people[name], **identify)
        listener.hears_own = True
        return listener

    def newcomer(self) -> Person:
        """Call somebody in who listens from before they join, as `newcomer`."""
        person = self.people["newcomer"] = self.town.person()
        home = self.town.place(person).id
        former = self.listeners.get("newcomer")
        if former is not None:
            former.leave()
        self.listeners["newcomer"] = self._listen("newcomer")
        self.listeners["newcomer"].ready["guilds"] = [{"id": home}]
        self.of_guild.add(person.id)
        self.town.join(self.place, person)
        return person

    # -- acting

    def word(self, what: str) -> str:
        """A name that nobody outside may read."""
        word = f"{what}-inside-{next(self._numbers)}"
        self.of_guild.add(word)
        return word

    def secret(self, what: str) -> str:
        """A text that nobody may read who does not see the hidden channels."""
        word = f"{what}-secret-{next(self._numbers)}"
        self.keep(word)
        return word

    def keep(self, *values: str) -> None:
        """Have what is of a hidden channel looked for."""
        self.of_channel |= set(values)
        self.of_guild |= set(values)

    def _in_guild(self, rest: str = "") -> str:
        return f"/guilds/{self.place.id}/{rest}".rstrip("/")

    def call(self, method: str, path: str, body: Any = None, who: str = "owner") -> Any:
        """Make a request that must succeed."""
        return self.town.call(self.people[who], method, path, body)

    def inner(self, method: str, path: str, **body: Any) -> Payload:
        """A request of the owner that makes something of the guild's: nobody outside may find its id."""
        made: Payload = self.call(method, path, body)
        self.of_guild.add(made["id"])
        return made

    def room(self, **body: Any) -> str:
        """Make a channel that those with the keys see."""
        overwrites = [
            {"id": self.place.id, "type": 0, "deny": VIEW, "allow": "0"},
            {"id": self.keys, "type": 0, "allow": VIEW, "deny": "0"},
        ]
        body = {"name": self.secret("room"), "type": 0, "permission_overwrites": overwrites, **body}
        made: str = self.call("POST", self._in_guild("channels"), body)["id"]
        self.keep(made)
        return made

    def thread(self, channel: str, kind: int, *, keep: bool = True) -> str:
        """Start a thread as the insider."""
        name = self.secret("thread") if keep else "a thread"
        made: str = self.call("POST", f"/channels/{channel}/threads", {"name": name, "type": kind}, "insider")["id"]
        if keep:
            self.keep(made)
        return made

    def say(self, channel: str | None = None, who: str = "insider") -> str:
        """Say something in the hidden channel; return the path of the message."""
        base = f"/channels/{channel or self.hidden}/messages"
        message = self.call("POST", base, {"content": self.secret("words")}, who)
        self.keep(message["id"])
        return f"{base}/{message['id']}"

    def use(self, kind: int) -> Payload:
        """Use a command of bell's in the hidden channel, as the insider; return what bell got."""
        application = self.call("GET", "/applications/@me", who="bell")["id"]
        name = self.secret("command").replace("-", "_")
        self.keep(name)
        where = f"/applications/{application}/guilds/{self.place.id}/commands"
        self.call("PUT", where, [{"name": name, "description": "x"}], "bell")
        body = {"type": kind, "application_id": application, "channel_id": self.hidden, "data": {"name": name}}
        self.call("POST", "/interactions", body, "insider")
        got = self.listeners["bell"].until("INTERACTION_CREATE")
        self.keep(got["id"], got["token"])
        return got

    def answer(self, got: Payload, kind: int) -> str:
        """Answer it as bell, for the insider alone; return the answer's text."""
        secret = self.secret("answer")
        data: Payload = {"content": secret, "flags": 64, "custom_id": secret, "title": secret, "components": []}
        data["choices"] = [{"name": secret, "value": secret}]
        self.call("POST", f"/interactions/{got['id']}/{got['token']}/callback", {"type": kind, "data": data})
        return secret

    def all_ask(self, code: int, d: Any) -> None:
        """Everybody sends the same command; those who may not ask get nothing or an answer without anything."""
        for listener in self.listeners.values():
            listener.send(code, d)

    # -- judging

    def flush(self) -> dict[str, list[tuple[str, Payload]]]:
        """What each was told until now."""
        return {name: listener.flush() for name, listener in self.listeners.items()}

    def perform(self, act: Act) -> list[str]:
        """Make the event happen; return what somebody was told who may not be."""
        self.of_act.clear()
        self.admitted = False
        act.do(self)
        witness = self.listeners[act.witness]
        if act.name not in [name for name, _ in witness.events]:
            witness.until(act.name)
        found = []
        for who, told in self.flush().items():
            sees = who in VIEWERS or (who == "newcomer" and self.admitted)
            needles = self.of_guild if who in OUTSIDERS else set() if sees else self.of_channel
            needles = needles if who in act.audience else needles | self.of_act
            for name, d in told:
                if name == act.name and who not in act.audience and d.get("guild_id") in (self.place.id, None):
                    found.append(f"{who} was told {name}")
                found += [f"{who} read {each} in {name}" for each in read(d, needles)]
        return found


def read(d: Any, needles: Iterable[str]) -> list[str]:
    """Return which of the ids and words are in a payload."""
    words = set(re.findall(r"[\w\-]+", json.dumps(d, ensure_ascii=False)))
    return sorted(words.intersection(needles))


# -- sessions


@walked("READY", MEMBERS | OUTSIDERS | NEWCOMER)
def ready(scene: Scene) -> None:
    """Everybody begins anew: READY and the guilds after it."""
    for name, listener in scene.listeners.items():
        again = scene._listen(name)
        listener.events += [("READY", again.ready), *again.events]
        again.leave()


@walked("READY_SUPPLEMENTAL", (MEMBERS | OUTSIDERS | NEWCOMER) - {"bell", "clerk"})
def ready_in_two_parts(scene: Scene) -> None:
    """Everybody begins anew and may have READY's second part, with somebody in a hidden voice channel."""
    insider = scene.listeners["insider"]
    state = {"guild_id": scene.place.id, "self_mute": False, "self_deaf": False}
    insider.send(4, {**state, "channel_id": scene.stage})
    insider.until("VOICE_SERVER_UPDATE")
    scene.keep(insider.ready["session_id"])
    for name, listener in scene.listeners.items():
        again = scene._listen(name, capabilities=1 << 5)
        if name not in ("bell", "clerk"):
            again.until("READY_SUPPLEMENTAL")
        listener.events += [("READY", again.ready), *again.events]
        again.leave()
    insider.send(4, {**state, "channel_id": None})
    insider.until("VOICE_STATE_UPDATE", channel_id=None)


@walked("SESSIONS_REPLACE", (MEMBERS | OUTSIDERS | NEWCOMER) - {"bell", "clerk"})
def the_owner_has_two_sessions(scene: Scene) -> None:
    """Each person is told of their own; the ones that `ready` began may end as late as this."""
    scene._listen("owner").leave()


@walked("RESUMED", MEMBERS | OUTSIDERS | NEWCOMER)
def resumed(scene: Scene) -> None:
    """Everybody is cut off while something is said, and resumes."""
    server = scene.town.server
    for listener in scene.listeners.values():
        listener.client.socket.close()
    scene.say()
    for listener in scene.listeners.values():
        client = listener.client = RawClient(server.gateway)
        client.open()
        resume = {"token": listener.person.token, "session_id": listener.ready["session_id"], "seq": listener.last}
        client.send(op(6, resume))
        listener.until("RESUMED")


# -- the guild


@walked("GUILD_CREATE", NEWCOMER, "newcomer")
@walked("GUILD_MEMBER_ADD", MEMBERS)
def a_newcomer(scene: Scene) -> None:
    scene.newcomer()


@walked("GUILD_MEMBER_UPDATE", MEMBERS | NEWCOMER)
def a_nickname(scene: Scene) -> None:
    person = scene.newcomer()
    scene.call("PATCH", scene._in_guild(f"members/{person.id}"), {"nick": scene.word("nick")})


@walked("GUILD_MEMBER_REMOVE", MEMBERS)
@walked("GUILD_DELETE", NEWCOMER, "newcomer")
def a_kick(scene: Scene) -> None:
    scene.call("DELETE", scene._in_guild(f"members/{scene.newcomer().id}"))


@walked("GUILD_DELETE", OWNER)
def a_guild_ends(scene: Scene) -> None:
    other = scene.inner("POST", "/guilds", name=scene.word("guild"))
    scene.call("DELETE", f"/guilds/{other['id']}")


@walked("GUILD_UPDATE", MEMBERS | NEWCOMER)
def a_guild_is_renamed(scene: Scene) -> None:
    scene.call("PATCH", scene._in_guild(), {"name": scene.word("guild")})


@walked("GUILD_ROLE_CREATE", MEMBERS | NEWCOMER)
def a_role_is_made(scene: Scene) -> None:
    scene.inner("POST", scene._in_guild("roles"), name=scene.word("role"))


@walked("GUILD_ROLE_UPDATE", MEMBERS | NEWCOMER)
def a_role_is_changed(scene: Scene) -> None:
    scene.call("PATCH", scene._in_guild(f"roles/{scene.keys}"), {"name": scene.word("role")})


@walked("GUILD_ROLE_DELETE", MEMBERS | NEWCOMER)
def a_role_goes(scene: Scene) -> None:
    role = scene.inner("POST", scene._in_guild("roles"), name=scene.word("role"))
    scene.call("DELETE", scene._in_guild(f"roles/{role['id']}"))


@walked("GUILD_EMOJIS_UPDATE", MEMBERS | NEWCOMER)
def an_emoji_is_made(scene: Scene) -> None:
    name = scene.word("moji").replace("-", "_")
    scene.of_guild.add(name)
    scene.inner("POST", scene._in_guild("emojis"), name=name, image=PIXEL)


@walked("GUILD_AUDIT_LOG_ENTRY_CREATE", HOLDERS)
def an_entry_of_the_audit_log(scene: Scene) -> None:
    scene.call("PATCH", f"/channels/{scene.hidden}", {"topic": scene.secret("topic")})


@walked("GUILD_BAN_ADD", HOLDERS)
def a_ban(scene: Scene) -> None:
    scene.call("PUT", scene._in_guild(f"bans/{scene.newcomer().id}"), {})


@walked("GUILD_BAN_REMOVE", HOLDERS)
def a_ban_ends(scene: Scene) -> None:
    path = scene._in_guild(f"bans/{scene.newcomer().id}")
    scene.call("PUT", path, {})
    scene.call("DELETE", path)


@walked("GUILD_MEMBERS_CHUNK", MEMBERS | NEWCOMER)
def all_ask_for_members(scene: Scene) -> None:
    scene.all_ask(8, {"guild_id": scene.place.id, "user_ids": [scene.owner.id], "presences": True})


@walked("RATE_LIMITED", BOTS, "bell")
def members_are_asked_for_too_often(scene: Scene) -> None:
    for _ in range(2):
        scene.listeners["bell"].send(8, {"guild_id": scene.place.id, "query": "", "limit": 0})


@walked("GUILD_MEMBER_LIST_UPDATE", VIEWERS - BOTS)
def all_ask_for_the_hidden_channels_list(scene: Scene) -> None:
    d = {"guild_id": scene.place.id, "typing": True, "channels": {scene.hidden: [[0, 99]]}}
    scene.all_ask(14, d)
    scene.listeners["owner"].until("GUILD_MEMBER_LIST_UPDATE")
    scene.all_ask(37, {"subscriptions": {scene.place.id: d}})
    scene.call("PATCH", scene._in_guild(f"members/{scene.people['insider'].id}"), {"nick": scene.word("nick")})
    scene.listeners["owner"].until("GUILD_MEMBER_LIST_UPDATE")


@walked("PRESENCE_UPDATE", MEMBERS | NEWCOMER)
def somebody_plays(scene: Scene) -> None:
    activity = {"name": scene.word("game"), "type": 0}
    scene.listeners["insider"].send(3, {"since": None, "activities": [activity], "status": "dnd", "afk": False})


@walked("USER_UPDATE", OWNER)
def a_name_changes(scene: Scene) -> None:
    scene.call("PATCH", "/users/@me", {"global_name": scene.word("name")})


@walked("SOUNDBOARD_SOUNDS", MEMBERS | NEWCOMER)
def all_ask_for_sounds(scene: Scene) -> None:
    scene.all_ask(31, {"guild_ids": [scene.place.id]})


@walked("CHANNEL_INFO", MEMBERS | NEWCOMER)
def all_ask_for_channels(scene: Scene) -> None:
    scene.all_ask(43, {"guild_id": scene.place.id, "fields": ["status", "voice_start_time"]})


# -- moderation


@walked("AUTO_MODERATION_RULE_CREATE", HOLDERS)
@walked("AUTO_MODERATION_RULE_UPDATE", HOLDERS)
@walked("AUTO_MODERATION_RULE_DELETE", HOLDERS)
@walked("AUTO_MODERATION_ACTION_EXECUTION", HOLDERS)
def a_rule_lives(scene: Scene) -> None:
    word, base = scene.secret("bad"), scene._in_guild("auto-moderation/rules")
    rule = {"name": scene.secret("rule"), "event_type": 1, "trigger_type": 1, "actions": [{"type": 1}], "enabled": True}
    made = scene.call("POST", base, {**rule, "trigger_metadata": {"keyword_filter": [word]}})
    scene.keep(made["id"])
    post = f"{scene.town.server.api}/channels/{scene.hidden}/messages"
    headers = {"Authorization": scene.people["insider"].token}
    assert httpx.post(post, json={"content": word}, headers=headers).json()["code"] == 200000
    scene.call("PATCH", f"{base}/{made['id']}", {"name": scene.secret("rule")})
    scene.call("DELETE", f"{base}/{made['id']}")


@walked("INVITE_CREATE", BOTS, "bell")
@walked("INVITE_DELETE", BOTS, "bell")
def an_invite_lives(scene: Scene) -> None:
    code = scene.call("POST", f"/channels/{scene.hidden}/invites", {"unique": True})["code"]
    scene.keep(code)
    scene.call("DELETE", f"/invites/{code}")


@walked("WEBHOOKS_UPDATE", HOLDERS)
def a_webhook_is_made(scene: Scene) -> None:
    hook = scene.call("POST", f"/channels/{scene.hidden}/webhooks", {"name": scene.secret("hook")})
    scene.keep(hook["id"], hook["token"])


# -- channels


@walked("CHANNEL_CREATE", VIEWERS)
@walked("CHANNEL_UPDATE", VIEWERS)
@walked("CHANNEL_DELETE", VIEWERS)
def a_channel_lives(scene: Scene) -> None:
    room = scene.room()
    scene.call("PATCH", f"/channels/{room}", {"topic": scene.secret("topic")})
    scene.call("DELETE", f"/channels/{room}")


@walked("CHANNEL_PINS_UPDATE", VIEWERS)
def a_pin(scene: Scene) -> None:
    scene.call("PUT", scene.say().replace("/messages/", "/messages/pins/"))


@walked("TYPING_START", VIEWERS)
def typing(scene: Scene) -> None:
    scene.call("POST", f"/channels/{scene.hidden}/typing", who="insider")


@walked("MESSAGE_CREATE", VIEWERS)
@walked("MESSAGE_UPDATE", VIEWERS)
@walked("MESSAGE_DELETE", VIEWERS)
def a_message_lives(scene: Scene) -> None:
    path = scene.say()
    scene.call("PATCH", path, {"content": f"<@{scene.people['lost'].id}> {scene.secret('words')}"}, "insider")
    scene.call("DELETE", path)


@walked("MESSAGE_DELETE_BULK", VIEWERS)
def messages_go(scene: Scene) -> None:
    ids = [scene.say().rpartition("/")[2] for _ in range(2)]
    scene.call("POST", f"/channels/{scene.hidden}/messages/bulk-delete", {"messages": ids}, "bell")


@walked("MESSAGE_REACTION_ADD", VIEWERS)
@walked("MESSAGE_REACTION_REMOVE", VIEWERS)
@walked("MESSAGE_REACTION_REMOVE_EMOJI", VIEWERS)
@walked("MESSAGE_REACTION_REMOVE_ALL", VIEWERS)
def reactions(scene: Scene) -> None:
    base = f"{scene.say()}/reactions"
    one = f"{base}/{quote('🔥')}"
    for method, path, who in (
        ("PUT", f"{one}/@me", "insider"),
        ("DELETE", f"{one}/@me", "insider"),
        ("PUT", f"{one}/@me", "insider"),
        ("DELETE", one, "owner"),
        ("PUT", f"{one}/@me", "insider"),
        ("DELETE", base, "owner"),
    ):
        scene.call(method, path, who=who)


@walked("VOICE_STATE_UPDATE", VIEWERS)
@walked("VOICE_SERVER_UPDATE", frozenset({"insider"}), "insider")
def somebody_talks(scene: Scene) -> None:
    state = {"guild_id": scene.place.id, "self_mute": False, "self_deaf": False}
    insider = scene.listeners["insider"]
    insider.send(4, {**state, "channel_id": scene.stage})
    insider.until("VOICE_SERVER_UPDATE")
    scene.keep(insider.ready["session_id"])
    insider.send(4, {**state, "channel_id": None})
    insider.until("VOICE_STATE_UPDATE", channel_id=None)


# -- interactions


ASKED = frozenset({"insider", "bell"})
"""Who used a command, and the bot whose it is."""


@walked("INTERACTION_CREATE", ASKED, "bell")
def a_command_is_used(scene: Scene) -> None:
    got = scene.use(2)
    secret = scene.answer(got, 4)
    scene.listeners["insider"].until("MESSAGE_CREATE", content=secret)
    scene.of_act |= {got["id"], got["token"], secret}


@walked("INTERACTION_SUCCESS", frozenset({"insider"}), "insider")
@walked("INTERACTION_MODAL_CREATE", frozenset({"insider"}), "insider")
@walked("APPLICATION_COMMAND_AUTOCOMPLETE_RESPONSE", frozenset({"insider"}), "insider")
def a_command_asks_back(scene: Scene) -> None:
    scene.answer(scene.use(4), 8)
    scene.answer(scene.use(2), 9)
    scene.listeners["insider"].until("INTERACTION_MODAL_CREATE")


@walked("INTERACTION_FAILURE", frozenset({"insider"}), "insider")
def a_command_is_not_answered(scene: Scene) -> None:
    scene.use(2)


# -- between two


PAIR = OWNER | NEWCOMER


@walked("CHANNEL_CREATE", PAIR, "newcomer")
@walked("MESSAGE_CREATE", PAIR, "newcomer")
@walked("MESSAGE_UPDATE", PAIR, "newcomer")
@walked("MESSAGE_DELETE", PAIR, "newcomer")
@walked("TYPING_START", PAIR, "newcomer")
@walked("CHANNEL_PINS_UPDATE", PAIR, "newcomer")
@walked("MESSAGE_REACTION_ADD", PAIR, "newcomer")
@walked("MESSAGE_REACTION_REMOVE", PAIR, "newcomer")
def a_dm_lives(scene: Scene) -> None:
    dm = scene.call("POST", "/users/@me/channels", {"recipient_id": scene.newcomer().id})["id"]
    scene.call("POST", f"/channels/{dm}/typing")
    message = scene.call("POST", f"/channels/{dm}/messages", {"content": "between-two"})["id"]
    scene.of_act |= {dm, message, "between-two", "between-us"}
    path = f"/channels/{dm}/messages/{message}"
    scene.call("PATCH", path, {"content": "between-us"})
    scene.call("PUT", f"{path}/reactions/{quote('🔥')}/@me")
    scene.call("DELETE", f"{path}/reactions/{quote('🔥')}/@me")
    scene.call("PUT", path.replace("/messages/", "/messages/pins/"))
    scene.call("DELETE", path)


# -- one's own


@walked("MESSAGE_ACK", OWNER)
@walked("CHANNEL_PINS_ACK", OWNER)
def the_owner_reads(scene: Scene) -> None:
    """The one who lost the channel is mentioned in it too, and named in READY's read states no more."""
    path = scene.say()
    scene.call("POST", f"/channels/{scene.hidden}/messages", {"content": f"<@{scene.people['lost'].id}>"})
    scene.call("POST", f"{path}/ack", {"token": None})
    scene.call("POST", f"/channels/{scene.hidden}/pins/ack")


@walked("USER_NOTE_UPDATE", OWNER)
@walked("USER_SETTINGS_UPDATE", OWNER)
@walked("USER_SETTINGS_PROTO_UPDATE", OWNER)
@walked("USER_GUILD_SETTINGS_UPDATE", OWNER)
def the_owner_notes_something(scene: Scene) -> None:
    scene.call("PUT", f"/users/@me/notes/{scene.people['stranger'].id}", {"note": scene.word("note")})
    scene.call("PATCH", "/users/@me/settings-proto/1", {"settings": "CgIYAQ=="})
    scene.call("PATCH", "/users/@me/settings", {"custom_status": {"text": scene.word("status")}})
    scene.call("PATCH", f"/users/@me/guilds/{scene.place.id}/settings", {"muted": True})
