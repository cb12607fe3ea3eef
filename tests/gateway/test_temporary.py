"""Members by a temporary invite: they go with their last session, and not with one before it."""

from __future__ import annotations

from tests.support.town import Town


def test_a_temporary_member_goes_with_the_last_session(town: Town) -> None:
    owner, guest = town.person(), town.person()
    place = town.place(owner)
    watch = town.listen(owner)
    first, second = town.listen(guest), town.listen(guest)
    invite = town.call(owner, "POST", f"/channels/{place.general}/invites", {"temporary": True})
    town.call(guest, "POST", f"/invites/{invite['code']}")
    first.until("GUILD_CREATE", id=place.id)
    first.leave()
    # A session that ends is heard of before this one, which begins after it, is ready.
    town.listen(owner)
    town.call(owner, "GET", f"/guilds/{place.id}/members/{guest.id}")
    second.leave()
    assert watch.until("GUILD_MEMBER_REMOVE", guild_id=place.id)["user"]["id"] == guest.id
    assert guest.id not in {
        each["user"]["id"] for each in town.call(owner, "GET", f"/guilds/{place.id}/members?limit=9")
    }
    names = [name for name, _ in watch.events]
    assert names.count("GUILD_MEMBER_ADD") == names.count("GUILD_MEMBER_REMOVE") == 1
